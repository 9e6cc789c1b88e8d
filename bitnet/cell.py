"""One cell of a sweep: what a worker needs to do it, how it is done, and what of it is on disk."""

import os
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from bitnet.backend import choose
from bitnet.checkpoint import saved_steps
from bitnet.checks import OneLineError, ParameterError
from bitnet.config import RunConfig
from bitnet.data import load_corpus
from bitnet.history import History, HistoryError
from bitnet.notebook import execute_notebook
from bitnet.run import run
from bitnet.train import Record

__all__ = ["STOPPED", "Cell", "Message", "Outcome", "Progress", "Report", "Started", "Train", "perform", "train_cell"]

STOPPED = "stopped"


@dataclass(frozen=True)
class Started:
    """A worker has taken up the cell."""


@dataclass(frozen=True)
class Progress:
    """The run of the cell after update `step`, with the loss of its batch (nats)."""

    step: int
    loss: float


Message = Started | Progress | str  # text is a line to show
Report = Callable[[Message], None]


@dataclass(frozen=True)
class Outcome:
    """What the disk says of a cell: `status` is missing, interrupted, complete, diverged or failed; `reason` says why.

    `step` is that of the newest checkpoint, or the last of a complete run.
    """

    status: str
    step: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Cell:
    """One run of a sweep and how to do it: `device` and `precision` as `choose` takes them, `threads` on a CPU.

    `identity` is the name of the run's folder in `runs_dir`.
    """

    config: RunConfig
    identity: str
    runs_dir: Path
    device: str = "cpu"
    precision: str = "float32"
    threads: int = 1
    notebook: Path | None = None

    @property
    def name(self) -> str:
        config = self.config
        return f"{config.arm}, hidden {config.hidden}, {config.steps} steps, seed {config.seed}"

    @property
    def executed(self) -> Path:
        """Where the executed notebook is kept; under this name only if it ran to its end."""
        assert self.notebook is not None
        return self.runs_dir / "notebooks" / self.notebook.stem / f"{self.identity}.ipynb"

    def parameters(self) -> dict[str, str | int]:
        """What a notebook is told, so that it reads this run back and leaves a report of its own."""
        assert self.notebook is not None
        config, runs_dir = self.config, self.runs_dir.resolve()
        return {
            "hidden": config.hidden,
            "steps": config.steps,
            "arms": config.arm,
            "seeds": str(config.seed),
            "corpus": config.corpus,
            "device": self.device,
            "precision": self.precision,
            "runs_dir": str(runs_dir),
            "report_dir": str(runs_dir / "reports" / self.notebook.stem / self.identity),
        }

    def outcome(self) -> Outcome:
        """What is on disk. Complete only where the run's own history says so, and its notebook, if any, ran to the end."""
        folder = self.runs_dir / self.identity
        step = max(saved_steps(folder), default=0)
        if not (folder / "manifest.json").exists():
            return Outcome("missing")
        try:
            history = History.load(folder)
        except (HistoryError, ParameterError) as error:
            return Outcome("interrupted", step, str(error))
        reason = str(history.manifest.get("reason", ""))
        if history.status == "diverged":
            return Outcome("diverged", step, reason)
        if not history.complete:
            return Outcome(
                "failed" if history.status == "failed" else "interrupted", step, reason or self._other_threads(history)
            )
        if self.notebook and not self.executed.exists():
            return Outcome("interrupted", self.config.steps, f"trained; {self.notebook.name} is not executed")
        return Outcome("complete", self.config.steps)

    def _other_threads(self, history: History) -> str:
        device = history.manifest.get("device")
        threads = device.get("threads", self.threads) if isinstance(device, dict) else self.threads
        return "" if threads == self.threads else f"trained with {threads} threads so far: not bit for bit with {self.threads}"


Train = Callable[[Cell, Report], None]


def train_cell(cell: Cell, report: Report) -> None:
    """Train the run of a cell as far as it is not yet, then execute its notebook, which reads the run back."""
    corpus = load_corpus(cell.config.corpus, say=report)

    def follow(_: RunConfig, record: Record) -> None:
        report(Progress(record.step, record.loss))

    history = run(cell.config, corpus, cell.runs_dir, choose(cell.device, cell.precision), [follow], report)
    if cell.notebook and history.complete and not cell.executed.exists():
        execute_notebook(cell.notebook, cell.executed, cell.parameters())


def perform(cell: Cell, train: Train, report: Report) -> str:
    """Do a cell in this process, whatever becomes of it; the reason where it was not done, else nothing.

    The stack of an error that nobody foresaw is kept in `errors` of the runs folder.
    """
    torch.set_num_threads(cell.threads)
    os.environ["OMP_NUM_THREADS"] = str(cell.threads)  # for the kernel of a notebook
    try:
        report(Started())
        train(cell, report)
    except KeyboardInterrupt:
        return STOPPED
    except OneLineError as error:
        return f"{type(error).__name__}: {error}"
    except Exception as error:
        path = cell.runs_dir / "errors" / f"{cell.identity}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(traceback.format_exc())
        return f"{type(error).__name__}: {str(error).partition(chr(10))[0]} (all of it: {path})"
    return ""
