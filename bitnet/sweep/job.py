"""A job: one run of a sweep, what a worker needs to do it, and what of it is on disk."""

import json
import os
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypedDict

import torch

from bitnet.checks import OneLineError, ParameterError, first_line
from bitnet.config import RunConfig
from bitnet.data import load_corpus
from bitnet.files import ForeignFileError, check_folder, parse_json, write_text
from bitnet.records import Record
from bitnet.runs.checkpoint import saved_steps
from bitnet.runs.history import History, HistoryError, OtherRunError
from bitnet.runs.run import other_threads, run
from bitnet.runs.tracker import NO_TRACKER
from bitnet.runtime.backend import choose
from bitnet.scales import scale_of
from bitnet.sweep.notebook import execute_notebook

__all__ = [
    "FINISHED",
    "STOPPED",
    "Event",
    "Job",
    "Outcome",
    "Report",
    "Train",
    "perform",
    "train_job",
]

STOPPED = "stopped"
FINISHED = ("complete", "diverged")  # nothing is left to do


class Event(TypedDict, total=False):
    """What a worker reports: `event` is started, progress, log or ended.

    Of progress there are the `step`, the `loss` of its batch (nats), and whether the run was
    `evaluated` there, which its folder then has; of log a `line`; of ended the `reason` why the job
    was not done, or "".
    """

    event: str
    step: int
    loss: float
    evaluated: bool
    line: str
    reason: str


Report = Callable[[Event], None]


@dataclass(frozen=True)
class Outcome:
    """How a job stands: missing, interrupted, complete, diverged, failed or stopped, and why.

    `step` is that of the newest checkpoint, or the last of a complete run.
    """

    status: str
    step: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Job:
    """One run and how to do it: `device`, `precision` and `strict` as `choose` takes them.

    `identity` is the name of the run's folder in `runs_dir`; `threads` is that of torch. `stage1`
    names the Stage 1 that it shares with other jobs, if any; it `waits` if one of them trains it.
    `tracker` is as in a `Plan`.
    """

    config: RunConfig
    identity: str
    runs_dir: Path
    device: str = "cpu"
    precision: str = "float32"
    strict: bool = False
    threads: int = 1
    notebook: Path | None = None
    stage1: str = ""
    waits: bool = False
    tracker: str = NO_TRACKER

    def to_json(self) -> str:
        """All of the job in one line."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, line: str) -> "Job":
        """The job of such a line. Raises: `ParameterError`."""
        try:
            values = parse_json(line)
            values["config"] = RunConfig(**values["config"])
            values["runs_dir"] = Path(values["runs_dir"])
            values["notebook"] = Path(values["notebook"]) if values["notebook"] else None
            return cls(**values)
        except ParameterError:
            raise
        except (ValueError, TypeError, KeyError) as error:
            raise ParameterError("job", line, "must be a job as a sweep writes it") from error

    @property
    def executed(self) -> Path:
        """Where the executed notebook is kept; under this name only if it ran to its end."""
        assert self.notebook is not None
        return self.runs_dir / "notebooks" / self.notebook.stem / f"{self.identity}.ipynb"

    def parameters(self) -> dict[str, str | int]:
        """What a notebook is told, so that it loads this run and leaves a report of its own."""
        assert self.notebook is not None
        config, runs_dir = self.config, self.runs_dir.resolve()
        return {
            "scale": scale.name if (scale := scale_of(config)) else "full",
            "hidden": config.hidden,
            "steps": config.steps,
            "vocabulary": config.vocabulary,
            "batch_size": config.batch_size,
            "sequence_length": config.sequence_length,
            "arms": config.arm,
            "seeds": str(config.seed),
            "order": config.order,
            "corpus": config.corpus,
            "eval_every": config.eval_every,
            "probe_positions": config.probe_positions,
            "device": self.device,
            "precision": self.precision,
            "strict": self.strict,
            "runs_dir": str(runs_dir),
            "report_dir": str(runs_dir / "reports" / self.notebook.stem / self.identity),
        }

    def found(self) -> Outcome:
        """What is on disk.

        Complete only where the run's own history says so and its notebook, if any, ran to the end.
        """
        folder = self.runs_dir / self.identity
        step = max(saved_steps(folder), default=0)
        if not (folder / "manifest.json").exists():
            return Outcome("missing")
        try:
            history = History.load(folder)
        except (HistoryError, ParameterError) as error:
            step = 0 if isinstance(error, OtherRunError) else step
            return Outcome("interrupted", step, str(error))
        if not history.is_of(self.config):
            return Outcome("interrupted", 0, f"its folder holds {history.config.label()}")
        reason = str(history.manifest.get("reason", ""))
        if history.status == "diverged":
            return Outcome("diverged", step, reason)
        if not history.complete:
            status = "failed" if history.status == "failed" else "interrupted"
            return Outcome(status, step, reason or other_threads(history.manifest, self.threads))
        if self.notebook and not self.executed.exists():
            left = f"trained; {self.notebook.name} is not executed"
            return Outcome("interrupted", self.config.steps, left)
        return Outcome("complete", self.config.steps)

    def ended(self, reason: str) -> Outcome:
        """How it ended: what its folder says counts, and the worker's `reason` explains it."""
        found = self.found()
        if found.status == "complete" and not reason:
            return found
        if reason == STOPPED:
            resumes = "the same command resumes it from its last checkpoint"
            return Outcome(STOPPED, found.step, resumes)
        if found.status == "diverged":
            return found
        reason = reason or ("" if found.status == "missing" else found.reason)
        nothing = f"no finished run in {self.runs_dir / self.identity}"
        return Outcome("failed", found.step, reason or nothing)


Train = Callable[[Job, Report], None]


def train_job(job: Job, report: Report) -> None:
    """Train the run of a job as far as it is not yet, then execute its notebook, which loads it."""

    def log(line: str) -> None:
        report({"event": "log", "line": line})

    def progress(_: RunConfig, record: Record) -> None:
        evaluated = bool(record.measures)
        report({
            "event": "progress", "step": record.step, "loss": record.loss, "evaluated": evaluated,
        })  # fmt: skip

    config, backend = job.config, choose(job.device, job.precision, job.strict)
    corpus = load_corpus(config.corpus, config.vocabulary, log=log)
    history = run(
        config, corpus, job.runs_dir, backend, [progress], log, stage1=job.stage1,
        tracker=job.tracker,
    )  # fmt: skip
    if job.notebook and history.complete and not job.executed.exists():
        execute_notebook(job.notebook, job.executed, job.parameters(), job.runs_dir)


def perform(job: Job, train: Train, report: Report) -> str:
    """Do a job in this process, whatever becomes of it: the reason if it was not done, or nothing.

    The stack trace of an error that nobody foresaw is kept in `errors` of the runs folder.
    """
    try:
        torch.set_num_threads(job.threads)
        os.environ["OMP_NUM_THREADS"] = str(job.threads)  # for the kernel of a notebook
        report({"event": "started"})
        train(job, report)
    except KeyboardInterrupt:
        return STOPPED
    except OneLineError as error:
        return f"{type(error).__name__}: {error}"
    except Exception as error:
        if isinstance(error, ForeignFileError):
            return f"{type(error).__name__}: {error}"
        path = job.runs_dir / "errors" / f"{job.identity}.txt"
        check_folder(path.parent)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, traceback.format_exc())
        return f"{type(error).__name__}: {first_line(error)} (all of it: {path})"
    return ""
