"""`bitnet run`: train one run, or resume it."""

import argparse
from pathlib import Path

from bitnet import checks
from bitnet.arms import arm_name
from bitnet.commands.options import INTERRUPTED, Add, add_sizes, add_where
from bitnet.runs.grid import Grid, find_notebook
from bitnet.runs.plan import Plan
from bitnet.sweep.here import Here
from bitnet.sweep.job import STOPPED
from bitnet.sweep.runner import Runner, failures
from bitnet.sweep.worker import work


def add_options(add: Add) -> None:
    """The options of the command."""
    arm = "a name, or overrides of one such as adamw-0.0+peak_lr=0.003 (default: l2-0.0)"
    add("--arm", default="l2-0.0", help=arm)
    add_sizes(add)
    add("--seed", default=0, help="decides the initial weights (default: 0)")
    add_where(add)
    add("--threads", help="on a CPU (default: one a core)")
    add("--notebook", default="", help="execute this notebook, which loads the run, at the end")
    # A sweep's worker: the job comes on standard input, see bitnet.sweep.worker.
    add("--job", action="store_true", help=argparse.SUPPRESS)


def command(options: argparse.Namespace) -> int | list[str]:
    """Train it; the lines that say what failed, or an exit code."""
    if options.job:
        reason = work()
        return INTERRUPTED if reason == STOPPED else int(bool(reason))
    seed = checks.integer("seed", options.seed, 0)
    plan = Plan(
        hidden=options.hidden, steps=options.steps, arms=[arm_name(options.arm)],
        seeds=[seed], corpus=options.corpus, device=options.device,
        eval_every=options.eval_every, probe_positions=options.probe_positions, scale=options.scale,
        vocabulary=options.vocabulary, order=options.order,
    )  # fmt: skip
    engine = Here(options.threads, options.device, options.precision)
    grid = Grid(plan.runs, find_notebook(options.notebook, Path.cwd()))
    runner = Runner.prepare(grid, lambda _: engine, options.runs_dir, tracker=options.tracker)
    return failures(runner.run())
