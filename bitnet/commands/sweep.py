"""`bitnet sweep`: train every run of a grid file, several at once."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from bitnet.checks import ParameterError, choice
from bitnet.commands.options import Add, add_where
from bitnet.runs.grid import Grid
from bitnet.sweep.runner import ENGINES, Runner, failures
from bitnet.terminal import say


def add_options(add: Add) -> None:
    """The options of the command."""
    add("grid", help="a YAML file with one or several grids, such as params/plan.yaml")
    rest = "show what is there and how long the rest takes, measured here"
    add("--dry-run", action="store_true", help=rest)
    notebook = "execute this notebook for each run, whatever the grid file says; '' for none"
    add("--notebook", help=notebook)
    add_where(add)
    add("--workers", help="runs at once (default: one a core, or --per-gpu a GPU)")
    add("--per-gpu", default=1, help="runs that share a GPU (default: 1)")
    engine = "pool (processes on this machine) or ray (a Ray cluster)"
    add("--engine", default="pool", help=engine)


def command(options: argparse.Namespace) -> int | list[str]:
    """Do what is left of it; the lines that say what failed."""
    engine = ENGINES[choice("engine", options.engine, tuple(ENGINES))]
    where = options.workers, options.device, options.precision, options.per_gpu
    grid = Grid.load(options.grid, options.notebook)
    if grid.proposed:
        say(f"{options.grid} asks to execute a notebook, which is code: {grid.proposed}")
        grid = replace(grid, notebook=None if options.dry_run else _agreed(grid.proposed))
    runner = Runner.prepare(
        grid, lambda jobs: engine(jobs, *where), options.runs_dir, tracker=options.tracker
    )
    if options.dry_run:
        runner.dry_run()
        return 0
    return failures(runner.run())


def _agreed(notebook: Path) -> Path:
    """The notebook that a grid file proposes, if whoever sits at the terminal says yes to it."""
    asked = sys.stdin.isatty() and input("Execute it for each run? [y/N] ").strip().lower()
    if asked not in ("y", "yes"):
        allowed = "is proposed by the grid file alone; name it with --notebook, or '' for none"
        raise ParameterError("notebook", str(notebook), allowed)
    return notebook
