"""A sweep done from beginning to end: what is there already, what is to be done, and how each cell ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bitnet import checks
from bitnet.board import Board
from bitnet.cell import STOPPED, Cell, Outcome, Train, train_cell
from bitnet.cluster import Cluster
from bitnet.data import Corpus, load_corpus
from bitnet.estimate import duration, measure_speed, time_left
from bitnet.history import default_runs_dir
from bitnet.notebook import check_notebook
from bitnet.pool import Pool
from bitnet.sweep import Sweep

__all__ = ["ENGINES", "Conductor"]

ENGINES: dict[str, type[Pool] | type[Cluster]] = {"pool": Pool, "ray": Cluster}


@dataclass
class Conductor:
    """Does a sweep with an engine: `engine` is pool or ray, the other parameters are those of `Plan` and `Pool`.

    Errors: `ParameterError`, before any work, for a wrong value and for a corpus that cannot be had.
    """

    sweep: Sweep
    runs_dir: str | Path = ""
    device: str = "auto"
    precision: str = "auto"
    workers: int | None = None
    engine: str = "pool"
    console: Console | None = None

    def __post_init__(self) -> None:
        checks.choice("engine", self.engine, tuple(ENGINES))
        folder = checks.folder("runs_dir", self.runs_dir) or default_runs_dir()
        if self.sweep.notebook:
            check_notebook(self.sweep.notebook)
        self.console = self.console or Console(highlight=False)
        corpora = {name: load_corpus(name, say=self.console.print) for name in {run.corpus for run in self.sweep.runs}}
        self.crew: Pool | Cluster = ENGINES[self.engine](len(self.sweep.runs), self.workers, self.device, self.precision)
        self.cells = self._cells(folder, corpora)
        self.found = {cell.identity: cell.outcome() for cell in self.cells}

    def _cells(self, folder: Path, corpora: dict[str, Corpus]) -> list[Cell]:
        engine = self.crew
        return [
            Cell(
                config=run,
                identity=run.identity(corpora[run.corpus].fingerprint, engine.kind, engine.precision),
                runs_dir=folder.absolute(),
                device=engine.kind,
                precision=engine.precision,
                threads=engine.threads,
                notebook=self.sweep.notebook,
            )
            for run in self.sweep.runs
        ]

    @property
    def pending(self) -> list[Cell]:
        """The cells that are neither complete nor diverged, in order."""
        return [cell for cell in self.cells if self.found[cell.identity].status not in ("complete", "diverged")]

    def run(self, train: Train = train_cell) -> list[tuple[Cell, Outcome]]:
        """Do what is not done yet; every cell with its outcome. A cell that fails does not stop the others."""
        assert self.console is not None
        self.console.print(f"{len(self.cells)} runs in {self.cells[0].runs_dir}: {self.crew}.", soft_wrap=True)
        outcomes = dict(self.found)
        with Board(self.cells, self.crew.workers, self.console) as board:
            for cell in self.cells:
                outcome = outcomes[cell.identity]
                if outcome.status in ("complete", "diverged"):
                    board.settle(cell, "read back" if outcome.status == "complete" else "diverged", outcome)

            def ended(cell: Cell, reason: str) -> None:
                outcome = judge(cell, reason)
                outcomes[cell.identity] = outcome
                board.settle(cell, outcome.status, outcome)

            self.crew.run(self.pending, board.hear, ended, train)
        return [(cell, outcomes[cell.identity]) for cell in self.cells]

    def dry_run(self) -> None:
        """Print what is there already and how long the rest takes, by a measurement; no run is begun."""
        assert self.console is not None
        self.console.print(self._table())
        pending, engine = self.pending, self.crew
        if not pending:
            self.console.print("Nothing is left to do.")
            return
        # Of a cluster only this machine can be measured, with no more workers than it has room for.
        here = Pool(len(self.cells), None if isinstance(engine, Cluster) else engine.workers, self.device, self.precision)
        self.console.print(f"Measuring ({len(here.devices)} at once) ...")
        speeds = measure_speed(pending, here.devices)
        for hidden, speed in speeds.items():
            self.console.print(
                f"hidden {hidden}: {speed.update * 1000:.0f} ms an update, {speed.evaluation:.1f} s an evaluation, "
                f"{speed.start:.0f} s before the first",
                soft_wrap=True,
            )
        seconds = [speeds[cell.config.hidden].seconds(cell, self.found[cell.identity].step) for cell in pending]
        total = time_left([], seconds, engine.workers)
        notebooks = ", its notebooks not" if self.sweep.notebook else ""
        self.console.print(
            f"About {duration(total)} for {len(pending)} of {len(self.cells)} runs: {engine}.\n"
            f"Measured just now on this machine: {len(here.devices)} processes at once, {here.threads} thread(s) each, 10 "
            f"updates and one evaluation at each hidden size after a warm-up. Checkpoints are counted in{notebooks}; "
            "whatever else the machine does later is not.",
            soft_wrap=True,
        )

    def _table(self) -> Table:
        table = Table(title=f"{len(self.cells)} runs in {self.cells[0].runs_dir}", title_justify="left")
        for column in ("arm", "hidden", "steps", "seed", "corpus", "found"):
            table.add_column(column)
        for cell in self.cells:
            c, found = cell.config, self.found[cell.identity]
            at = f" at step {found.step}" if found.status in ("interrupted", "failed") else ""
            reason = f" ({found.reason})" if found.reason else ""
            table.add_row(c.arm, str(c.hidden), str(c.steps), str(c.seed), c.corpus, f"{found.status}{at}{reason}")
        return table


def judge(cell: Cell, reason: str) -> Outcome:
    """How a cell ended: what its folder says counts, and the worker's `reason` explains it."""
    found = cell.outcome()
    if found.status == "complete" and not reason:
        return found
    if reason == STOPPED:
        return Outcome(STOPPED, found.step, "the same command goes on from its last checkpoint")
    if found.status == "diverged":
        return found
    left = "" if found.status == "missing" else found.reason
    return Outcome("failed", found.step, reason or left or f"no finished run in {cell.runs_dir / cell.identity}")


def failures(outcomes: Sequence[tuple[Cell, Outcome]]) -> list[str]:
    """A line for each cell that is not complete."""
    return [f"{cell.name}: {outcome.status}: {outcome.reason}" for cell, outcome in outcomes if outcome.status != "complete"]
