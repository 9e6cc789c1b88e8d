"""Writing a run folder while the run goes on: its manifest, its trace, its measures."""

import csv
import datetime
import hashlib
import io
import json
import math
import platform
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bitnet import files
from bitnet.config import RunConfig
from bitnet.extras import DISTRIBUTION
from bitnet.records import Diverged, Record
from bitnet.runs.checkpoint import put_in_place
from bitnet.runs.history import (
    FORMAT,
    VOCABULARY_FILE,
    seal,
    sealed_files,
)
from bitnet.runs.rows import HEALTH_COLUMNS, MEASURE_COLUMNS, TRACE_COLUMNS
from bitnet.tokenizer import Vocabulary

__all__ = ["HistoryWriter"]

_TRACED = ("step", "loss", "unique_predictions", "lr", "wd")
_SESSION = ("started", "ended", "device", "versions")
_DEPENDENCIES = ("torch", "numpy", "tokenizers", "gensim", "mwparserfromhell")
_PACKAGES = {"bitnet": DISTRIBUTION} | {name: name for name in _DEPENDENCIES}  # as installed


class HistoryWriter:
    """Writes a run folder while the run goes on: every file whole under its name, the status last.

    Use as a context manager around the training, and call it with each `Record`. Leaving it without
    an error, after the last step, marks the run complete; an error marks it failed or diverged,
    with its reason, and an interrupt stopped.

    Small vocabularies are kept in the folder, so that the run's text can always be decoded. A run
    that resumes from a checkpoint hands in what it had: `rows`, one an evaluation and each
    plain JSON, and the `earlier` manifest. What the manifest says of the time, the device and the
    versions is of the last session; all of them stand in its `sessions`, each with the update
    `from_step` after which it began.
    """

    def __init__(
        self,
        folder: Path,
        config: RunConfig,
        facts: Mapping[str, object],
        references: Mapping[str, float],
        vocabulary: Vocabulary,
        rows: Sequence[Mapping[str, Any]] = (),
        from_step: int = 0,
        earlier: Mapping[str, Any] | None = None,
    ):
        self.folder, self.config, self.vocabulary = folder, config, vocabulary
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
        known = {name: self.manifest.get(name) for name in _SESSION}
        self.session = {"from_step": from_step, **known}
        before = _sessions(earlier) if from_step and earlier else []
        self.manifest["sessions"] = [*before, self.session]

    def __enter__(self) -> "HistoryWriter":
        self.folder.mkdir(parents=True, exist_ok=True)
        if VOCABULARY_FILE in sealed_files(self.config):
            self._write(VOCABULARY_FILE, self.vocabulary.to_text())
        self._write_tables()
        self._write_manifest()
        return self

    def __call__(self, record: Record) -> None:
        self.last_step = record.step
        if record.measures:
            row: dict[str, Any] = {
                "step": record.step, "loss": record.loss, "lr": record.lr, "wd": record.wd,
                **record.measures, **record.health,
            }  # fmt: skip
            row = {name: _rounded(value) for name, value in row.items()}
            self.rows.append(row | {"snapshot": vars(record.snapshot) if record.snapshot else {}})
            self._write_tables()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> None:
        if kind is None and self.last_step == self.config.steps:
            self.manifest["status"] = "complete"
        else:
            self.manifest["status"] = _status_of(kind)
            reason = f"{kind.__name__}: {error}" if kind else "ended before its last step"
            self.manifest["reason"] = reason.partition("\n")[0]
        self.manifest["last_step"] = self.last_step
        self.manifest["ended"] = self.session["ended"] = _now()
        self._write_tables()
        contents = {name: (self.folder / name).read_bytes() for name in sealed_files(self.config)}
        self.manifest["files"] = {
            name: hashlib.sha256(content).hexdigest() for name, content in contents.items()
        }
        self._write_manifest()

    def _write_tables(self) -> None:
        """All tables whole each time: they are some tens of kilobytes, so never half a row."""
        self._write("trace.csv", _csv(TRACE_COLUMNS, self.rows, _TRACED))
        self._write("measures.csv", _csv(MEASURE_COLUMNS, self.rows, MEASURE_COLUMNS))
        self._write("health.csv", _csv(HEALTH_COLUMNS, self.rows, HEALTH_COLUMNS))
        snapshots = (json.dumps(row["snapshot"]) + "\n" for row in self.rows)
        self._write("snapshots.jsonl", "".join(snapshots))

    def _write_manifest(self) -> None:
        self.manifest["sha256"] = seal(self.manifest)
        self._write("manifest.json", json.dumps(self.manifest, indent=1) + "\n")

    def _write(self, name: str, text: str) -> None:
        partial = self.folder / f"{name}.tmp"
        files.write_text(partial, text)
        if self.manifest["status"] == "running":
            partial.replace(self.folder / name)
        else:  # the last time: what is finished has to survive a power cut, for its checkpoints go
            put_in_place(partial, self.folder / name)


def _sessions(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Those of an earlier manifest, which may call them sittings, or have its last only."""
    alone = {"from_step": None, **{name: manifest.get(name) for name in _SESSION}}
    found = manifest.get("sessions") or manifest.get("sittings") or [alone]
    return [dict(session) for session in found]


def _status_of(kind: type[BaseException] | None) -> str:
    if kind is None or not issubclass(kind, Exception):  # KeyboardInterrupt is no Exception
        return "stopped"
    return "diverged" if issubclass(kind, Diverged) else "failed"


def _csv(header: Sequence[str], rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """A table with that header, of the values under `columns` in each row."""
    text = io.StringIO()
    lines = ([row[name] for name in columns] for row in rows)
    csv.writer(text, lineterminator="\n").writerows([header, *lines])
    return text.getvalue()


def _rounded(value: float) -> float:
    """Ten significant digits: all that a float32 run means, in files that stay small."""
    return float(f"{value:.10g}") if isinstance(value, float) and math.isfinite(value) else value


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _versions() -> dict[str, str]:
    found = {
        "python": platform.python_version(),
        "platform": f"{sys.platform}-{platform.machine()}",
    }
    for package, distribution in _PACKAGES.items():
        try:
            found[package] = version(distribution)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
