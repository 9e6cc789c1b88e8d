"""The history of a run: one folder with its manifest, its trace in the seed's format, and its measures."""

import csv
import datetime
import json
import math
import os
import platform
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pandas as pd

from bitnet.checks import ParameterError
from bitnet.config import RunConfig
from bitnet.diversity import state
from bitnet.train import Record

__all__ = ["TRACE_COLUMNS", "History", "HistoryError", "HistoryWriter", "default_runs_dir"]

FORMAT = 1
TRACE_COLUMNS = ("Step", "Loss", "UniquePredictions", "LR", "WD")
STATUSES = ("running", "complete", "failed", "stopped")
MEASURES = (
    "unique_predictions", "unique_tokens", "effective_tokens", "top1_share", "context_information",
    "predictive_entropy", "val_loss",
)  # fmt: skip
_MEASURE_COLUMNS = ("step", "loss", "lr", "wd", *MEASURES)
_PACKAGES = ("bitnet", "torch", "numpy", "tokenizers", "gensim", "mwparserfromhell")


class HistoryError(RuntimeError):
    """A run folder cannot be read; the message is one line that names the file and the remedy."""


def default_runs_dir() -> Path:
    """Where runs are kept unless a parameter says otherwise: $BITNET_RUNS, else `runs` in the checkout, else `./runs`."""
    if os.environ.get("BITNET_RUNS"):
        return Path(os.environ["BITNET_RUNS"])
    checkout = Path(__file__).parent.parent
    return (checkout if (checkout / "pyproject.toml").exists() else Path.cwd()) / "runs"


@dataclass(frozen=True)
class History:
    """What a run left: its configuration, how it ended, and its measures, one row an evaluation.

    `measures` has the columns step, loss, lr, wd and every measure by its standard name; `references` are the ceilings
    and comparison values to read them against.
    """

    config: RunConfig
    status: str
    measures: pd.DataFrame = field(repr=False)
    references: Mapping[str, float] = field(repr=False)
    manifest: Mapping[str, object] = field(repr=False, default_factory=dict)
    folder: Path | None = None

    @property
    def complete(self) -> bool:
        """Whether the run reached its last step and said so."""
        reached = int(self.measures.step.iloc[-1]) if len(self.measures) else 0
        return self.status == "complete" and reached == self.config.steps

    @property
    def states(self) -> pd.Series:
        """The state (dead, collapsed, learning, diverse) at each evaluation."""
        return pd.Series([state(row, dict(self.references)) for row in self.rows()], index=self.measures.index, dtype=str)

    def rows(self) -> list[dict[str, float]]:
        """The measures as one dictionary an evaluation."""
        return self.measures.to_dict("records")

    def at(self, step: int) -> dict[str, float] | None:
        """The measures after update `step`, or None where the run was not evaluated then."""
        found = self.measures[self.measures.step == step]
        return found.iloc[0].to_dict() if len(found) else None

    @classmethod
    def load(cls, folder: str | Path) -> "History":
        """Read a run folder. Errors: `HistoryError` where it is missing, damaged, or made by a newer version."""
        folder = Path(folder)
        try:
            manifest = json.loads((folder / "manifest.json").read_text())
            if manifest["format"] > FORMAT:
                raise HistoryError(f"{folder}: made by a newer version of bitnet (format {manifest['format']}); update it")
            config = RunConfig(**manifest["config"])
            measures = pd.read_csv(folder / "measures.csv")
            return cls(config, manifest["status"], measures[list(_MEASURE_COLUMNS)], manifest["references"], manifest, folder)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise HistoryError(f"{folder}: not a readable run folder ({error}); delete it to train again") from error


class HistoryWriter:
    """Writes a run folder while the run goes on: the manifest first, a row an evaluation, the status last.

    Use as a context manager around the training, and call it with each `Record`. Leaving it without an error, after the
    last step, marks the run complete; an error marks it failed, with its reason, and an interrupt stopped.
    """

    def __init__(self, folder: Path, config: RunConfig, facts: Mapping[str, object], references: Mapping[str, float]):
        self.folder, self.config = folder, config
        self.last_step = 0
        self.manifest: dict[str, object] = {
            "format": FORMAT,
            "status": "running",
            "config": config.to_dict(),
            "recipe": config.recipe.to_dict(),
            **facts,
            "references": dict(references),
            "versions": _versions(),
            "started": _now(),
        }

    def __enter__(self) -> "HistoryWriter":
        if self.folder.exists():
            shutil.rmtree(self.folder)  # only ever an unfinished run: a complete one is read back instead
        self.folder.mkdir(parents=True)
        self._write_manifest()
        self._append("trace.csv", TRACE_COLUMNS)
        self._append("measures.csv", _MEASURE_COLUMNS)
        return self

    def __call__(self, record: Record) -> None:
        self.last_step = record.step
        if record.measures:
            m = record.measures
            self._append("trace.csv", (record.step, record.loss, m["unique_predictions"], record.lr, record.wd))
            self._append("measures.csv", (record.step, record.loss, record.lr, record.wd, *(m[name] for name in MEASURES)))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if kind is None and self.last_step == self.config.steps:
            self.manifest["status"] = "complete"
        else:
            stopped = kind is None or not issubclass(kind, Exception)  # KeyboardInterrupt is no Exception
            self.manifest["status"] = "stopped" if stopped else "failed"
            self.manifest["reason"] = f"{kind.__name__}: {error}" if kind else "ended before its last step"
        self.manifest["last_step"] = self.last_step
        self.manifest["ended"] = _now()
        self._write_manifest()

    def _append(self, name: str, row: tuple[object, ...]) -> None:
        with (self.folder / name).open("a", newline="") as file:
            csv.writer(file, lineterminator="\n").writerow(_rounded(value) for value in row)

    def _write_manifest(self) -> None:
        partial = self.folder / "manifest.json.tmp"
        partial.write_text(json.dumps(self.manifest, indent=1) + "\n")
        partial.replace(self.folder / "manifest.json")


def find(runs_dir: str | Path, identity: str) -> History | None:
    """The finished run of that identity below `runs_dir`, or None: an unfinished or damaged one does not count."""
    folder = Path(runs_dir) / identity
    if not folder.exists():
        return None
    try:
        history = History.load(folder)
    except (HistoryError, ParameterError):
        return None
    return history if history.complete else None


def _rounded(value: object) -> object:
    """Ten significant digits: all that a float32 run means, in files that stay small."""
    return float(f"{value:.10g}") if isinstance(value, float) and math.isfinite(value) else value


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "platform": f"{sys.platform}-{platform.machine()}"}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
