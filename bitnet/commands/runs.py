"""`bitnet runs`: what is in a runs folder, a line a run."""

import argparse
from pathlib import Path

from rich.table import Table

from bitnet.checks import ParameterError, folder
from bitnet.commands.options import Add
from bitnet.committed import committed
from bitnet.evaluation.measures import MEASURES
from bitnet.runs.history import History, HistoryError, default_runs_dir
from bitnet.scales import SCALES
from bitnet.terminal import Terminal

SHOWN = {"unique_tokens": "tokens", "val_loss": "loss"}  # measures, and their short heads


def add_options(add: Add) -> None:
    """The options of the command."""
    add("folder", nargs="?", default="", help="the runs folder (default: as in the notebooks)")


def command(options: argparse.Namespace) -> int:
    """Print a line a run; one that cannot be read says why.

    Where no folder was asked for and none is there yet, of the runs that come with the project.
    """
    where = folder("folder", options.folder) or default_runs_dir()
    manifests = _manifests(where)
    head = f"{len(manifests)} run{'s' * (len(manifests) > 1)} in {where}"
    if not manifests:
        if options.folder:
            raise HistoryError(f"{where}: holds no runs; `bitnet verify` trains some")
        head = f"No runs in {where} yet; these come with the project."
        results = [committed(scale.results) for scale in SCALES.values()]
        manifests = [path for where in results for path in _manifests(where)]
    console = Terminal()
    console.print(head, soft_wrap=True)
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("run", no_wrap=True)  # what the other commands take, so never cut or folded
    for column in ("status", "step", "state", *SHOWN.values()):
        table.add_column(column)
    for path in manifests:
        table.add_row(*_found(path.parent))
    console.print(table)
    return 0


def _manifests(runs_dir: Path) -> list[Path]:
    return sorted(runs_dir.glob("*/manifest.json"))


def _found(path: Path) -> list[str]:
    try:
        return [path.name, *cells(History.load(path))]
    except (HistoryError, ParameterError) as error:
        return [path.name, f"cannot be read ({error})"]


def cells(history: History) -> list[str]:
    """Status, last evaluation, state there and the measures `SHOWN`, as the table has them."""
    if not history.evaluated:
        return [history.status, "0"]
    last = history.rows()[-1]
    values = (f"{last[name]:.{MEASURES[name].decimals}f}" for name in SHOWN)
    return [history.status, str(int(last["step"])), history.states.iloc[-1], *values]
