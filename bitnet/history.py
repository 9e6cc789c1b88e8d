"""The history of a run: one folder with its manifest, its trace in the brief's format, and its measures."""

import csv
import datetime
import hashlib
import io
import json
import math
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd

from bitnet.checkpoint import put_in_place
from bitnet.checks import OneLineError
from bitnet.config import RunConfig
from bitnet.diversity import state
from bitnet.health import HEALTH
from bitnet.observe import Snapshot
from bitnet.train import Diverged, Record

__all__ = [
    "TRACE_COLUMNS", "History", "HistoryError", "HistoryWriter", "NewerFormatError", "UnreadableError", "default_runs_dir",
    "read_manifest",
]  # fmt: skip

FORMAT = 2
TRACE_COLUMNS = ("Step", "Loss", "UniquePredictions", "LR", "WD")
MEASURES = (
    "unique_predictions", "unique_tokens", "effective_tokens", "top1_share", "context_information",
    "predictive_entropy", "val_loss", "seq_rep_4", "distinct_1", "distinct_2",
)  # fmt: skip
_MEASURE_COLUMNS = ("step", "loss", "lr", "wd", *MEASURES)
_HEALTH_COLUMNS = ("step", *HEALTH)
_FILES = ("trace.csv", "measures.csv", "health.csv", "snapshots.jsonl")
_SITTING = ("started", "ended", "device", "versions")
_PACKAGES = ("bitnet", "torch", "numpy", "tokenizers", "gensim", "mwparserfromhell")


class HistoryError(OneLineError, RuntimeError):
    """A run folder cannot be read or written; the message is one line that names the file and the remedy."""


class NewerFormatError(HistoryError):
    """A run folder was made by a newer version, and is left alone."""


class UnreadableError(HistoryError):
    """A run folder may be whole, but the file system does not give it; it is left alone."""


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
    and comparison values to read them against. `health` has the columns of `bitnet.health.HEALTH`, and `snapshots` what
    the model said, one for each row of `measures`.
    """

    config: RunConfig
    status: str
    measures: pd.DataFrame = field(repr=False)
    references: Mapping[str, float] = field(repr=False)
    manifest: Mapping[str, object] = field(repr=False, default_factory=dict)
    folder: Path | None = None
    health: pd.DataFrame = field(repr=False, default_factory=pd.DataFrame)
    snapshots: Sequence[Snapshot] = field(repr=False, default=())

    @property
    def complete(self) -> bool:
        """Whether the run reached its last step and said so."""
        reached = int(self.measures.step.iloc[-1]) if self.evaluated else 0
        return self.status == "complete" and reached == self.config.steps

    @property
    def evaluated(self) -> bool:
        """Whether there is an evaluation at all; a run that fails in its first update has none, and no last row to show."""
        return len(self.measures) > 0

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

    def snapshot_at(self, step: int | None = None) -> Snapshot:
        """What the model said at the newest evaluation not after `step`, or at the first; None: at the last."""
        steps = self.measures.step.tolist()
        chosen = [i for i, at in enumerate(steps) if step is None or at <= step]
        return self.snapshots[chosen[-1] if chosen else 0]

    @classmethod
    def load(cls, folder: str | Path) -> "History":
        """Read a run folder and verify its checksums.

        Errors: `HistoryError` where it is missing or damaged, `NewerFormatError` where a newer version made it,
        `UnreadableError` where a file that is there cannot be read.
        """
        folder = Path(folder)
        try:
            manifest = json.loads((folder / "manifest.json").read_text())
            if manifest["format"] > FORMAT:
                raise NewerFormatError(f"{folder}: made by a newer version of bitnet (format {manifest['format']}); update it")
            if manifest["sha256"] != _seal(manifest):
                raise ValueError("manifest.json does not match its checksum")
            for name, expected in manifest.get("files", {}).items():
                if hashlib.sha256((folder / name).read_bytes()).hexdigest() != expected:
                    raise ValueError(f"{name} does not match its checksum")
            config = RunConfig(**manifest["config"])
            measures = pd.read_csv(folder / "measures.csv")[list(_MEASURE_COLUMNS)]
            health = pd.read_csv(folder / "health.csv")[list(_HEALTH_COLUMNS)]
            snapshots = [Snapshot(**json.loads(line)) for line in (folder / "snapshots.jsonl").read_text().splitlines()]
            return cls(config, manifest["status"], measures, manifest["references"], manifest, folder, health, snapshots)
        except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError) as error:
            raise HistoryError(f"{folder}: not a readable run folder ({error}); move it away to train again") from error
        except OSError as error:
            raise UnreadableError(f"{folder}: cannot be read ({error}); it is left as it is") from error


class HistoryWriter:
    """Writes a run folder while the run goes on: every file whole under its name, the status last.

    Use as a context manager around the training, and call it with each `Record`. Leaving it without an error, after the
    last step, marks the run complete; an error marks it failed or diverged, with its reason, and an interrupt stopped.
    A run that goes on from a checkpoint hands in what it had: `rows`, one an evaluation and each plain JSON, and the
    `earlier` manifest. What the manifest says of the time, the device and the versions is of the last sitting; all of them
    stand in its `sittings`, each with the update `from_step` after which it began.
    """

    def __init__(
        self,
        folder: Path,
        config: RunConfig,
        facts: Mapping[str, object],
        references: Mapping[str, float],
        rows: Sequence[Mapping[str, Any]] = (),
        from_step: int = 0,
        earlier: Mapping[str, Any] | None = None,
    ):
        self.folder, self.config = folder, config
        self.rows = [dict(row) for row in rows]
        self.last_step = from_step
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
        self.sitting = {"from_step": from_step, **{name: self.manifest.get(name) for name in _SITTING}}
        self.manifest["sittings"] = [*(_sittings(earlier) if from_step and earlier else []), self.sitting]

    def __enter__(self) -> "HistoryWriter":
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write_tables()
        self._write_manifest()
        return self

    def __call__(self, record: Record) -> None:
        self.last_step = record.step
        if record.measures:
            row: dict[str, Any] = {"step": record.step, "loss": record.loss, "lr": record.lr, "wd": record.wd}
            row |= {name: _rounded(value) for name, value in (row | record.measures | record.health).items()}
            self.rows.append(row | {"snapshot": vars(record.snapshot) if record.snapshot else {}})
            self._write_tables()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if kind is None and self.last_step == self.config.steps:
            self.manifest["status"] = "complete"
        else:
            self.manifest["status"] = _status_of(kind)
            self.manifest["reason"] = f"{kind.__name__}: {error}" if kind else "ended before its last step"
        self.manifest["last_step"] = self.last_step
        self.manifest["ended"] = self.sitting["ended"] = _now()
        self._write_tables()
        self.manifest["files"] = {name: hashlib.sha256((self.folder / name).read_bytes()).hexdigest() for name in _FILES}
        self._write_manifest()

    def _write_tables(self) -> None:
        """All tables anew: they are some tens of kilobytes, and so are never half a row."""
        self._write("trace.csv", _csv(TRACE_COLUMNS, self.rows, ("step", "loss", "unique_predictions", "lr", "wd")))
        self._write("measures.csv", _csv(_MEASURE_COLUMNS, self.rows))
        self._write("health.csv", _csv(_HEALTH_COLUMNS, self.rows))
        self._write("snapshots.jsonl", "".join(json.dumps(row["snapshot"]) + "\n" for row in self.rows))

    def _write_manifest(self) -> None:
        self.manifest["sha256"] = _seal(self.manifest)
        self._write("manifest.json", json.dumps(self.manifest, indent=1) + "\n")

    def _write(self, name: str, text: str) -> None:
        partial = self.folder / f"{name}.tmp"
        partial.write_text(text)
        if self.manifest["status"] == "running":
            partial.replace(self.folder / name)
        else:  # the last time: what is finished has to survive a power cut, since its checkpoints go
            put_in_place(partial, self.folder / name)


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of a run folder as it stands, unverified; None where there is none that can be read."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
    except (OSError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) else None


def _sittings(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Those of an earlier manifest; one that is older than the list tells of its last only."""
    alone = {"from_step": None, **{name: manifest.get(name) for name in _SITTING}}
    return [dict(sitting) for sitting in manifest.get("sittings", [alone])]


def _status_of(kind: type[BaseException] | None) -> str:
    if kind is None or not issubclass(kind, Exception):  # KeyboardInterrupt is no Exception
        return "stopped"
    return "diverged" if issubclass(kind, Diverged) else "failed"


def _seal(manifest: Mapping[str, object]) -> str:
    """The checksum of a manifest, over all of it but the checksum."""
    rest = {name: value for name, value in manifest.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _csv(header: Sequence[str], rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> str:
    """A table with that header, of the values under `columns` (else under the header's own names) in each row."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *([row[name] for name in columns or header] for row in rows)])
    return text.getvalue()


def _rounded(value: float) -> float:
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
