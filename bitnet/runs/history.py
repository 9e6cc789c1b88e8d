"""The history of a run, read from its folder: configuration, how it ended, measures, snapshots."""

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from bitnet import checks, files
from bitnet.checks import OneLineError, first_line
from bitnet.committed import checkout, in_checkout
from bitnet.config import GPT2_VOCABULARY, RunConfig
from bitnet.evaluation.diversity import state
from bitnet.records import Snapshot
from bitnet.runs.rows import read_rows
from bitnet.runs.schema import check_manifest
from bitnet.tokenizer import Vocabulary, gpt2

__all__ = [
    "FORMAT", "VOCABULARY_FILE", "History", "HistoryError", "NewerFormatError", "OtherRunError",
    "UnreadableError", "default_runs_dir", "read_manifest", "seal", "sealed_files",
]  # fmt: skip

FORMAT = 3
_TABLES = ("trace.csv", "measures.csv", "health.csv", "snapshots.jsonl")
VOCABULARY_FILE = "merges.txt"  # of a run whose vocabulary is not GPT-2's
_IDENTITY = re.compile(r".+-h\d+(-v\d+)?-t\d+-s\d+(-o\d+)?-[0-9a-f]{10}")


class HistoryError(OneLineError, RuntimeError):
    """A run folder cannot be read or written; one line that names the file and the remedy."""


class NewerFormatError(HistoryError):
    """A run folder was made by a newer version, and is left alone."""


class OtherRunError(HistoryError):
    """A folder with the name of one run holds another."""


class UnreadableError(HistoryError):
    """A run folder may be whole, but the file system does not give it; it is left alone."""


def default_runs_dir() -> Path:
    """Where runs are kept unless a parameter says otherwise.

    $BITNET_RUNS, else `runs` in the checkout, else `./runs`. Raises: `ParameterError`.
    """
    if chosen := checks.folder("BITNET_RUNS", os.environ.get("BITNET_RUNS", "")):
        return chosen
    return (checkout() if in_checkout() else Path.cwd()) / "runs"


@dataclass(frozen=True)
class History:
    """What a run left: its configuration, how it ended, and its measures, one row an evaluation.

    `measures` has the columns step, loss, lr, wd and every measure of `MEASURES`; `references` are
    the ceilings and comparison values to read them against. `health` has the columns of
    `bitnet.evaluation.weights.HEALTH`, and `snapshots` what the model said, one for each row of
    `measures`.
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

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The vocabulary that the run's tokens are of: GPT-2's, or the one kept in its folder.

        Raises: `HistoryError` where it is missing or of another size.
        """
        if self.config.vocabulary == GPT2_VOCABULARY:
            return gpt2()
        if self.folder is None:
            raise HistoryError(f"{self.config.label()}: has no folder, and so no vocabulary")
        try:
            found = Vocabulary.from_text(files.read_text(self.folder / VOCABULARY_FILE))
            if found.size != self.config.vocabulary:
                raise ValueError(f"{found.size} tokens in place of {self.config.vocabulary}")
            return found
        except (OSError, ValueError) as error:
            path = self.folder / VOCABULARY_FILE
            raise HistoryError(f"{path}: cannot be read ({first_line(error)})") from error

    @property
    def evaluated(self) -> bool:
        """Whether there is an evaluation at all; a run that fails in its first update has none."""
        return len(self.measures) > 0

    @cached_property
    def states(self) -> pd.Series:
        """The state (dead, collapsed, learning, diverse) at each evaluation."""
        references = dict(self.references)
        found = [state(row, references) for row in self.rows()]
        return pd.Series(found, index=self.measures.index, dtype=str)

    def is_of(self, config: RunConfig) -> bool:
        """Whether this is that run; its text may have been found under another path."""
        return replace(self.config, corpus=config.corpus) == config

    def rows(self) -> list[dict[str, float]]:
        """The measures as one dictionary an evaluation."""
        columns = {name: self.measures[name].tolist() for name in self.measures}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def at(self, step: int) -> dict[str, float] | None:
        """The measures after update `step`, or None where the run was not evaluated then."""
        found = self.measures[self.measures.step == step]
        return found.iloc[0].to_dict() if len(found) else None

    def snapshot_at(self, step: int | None = None) -> Snapshot:
        """What the model said at the newest evaluation not after `step`, or at the first.

        None stands for the last.
        """
        steps = self.measures.step.tolist()
        chosen = [i for i, at in enumerate(steps) if step is None or at <= step]
        return self.snapshots[chosen[-1] if chosen else 0]

    @classmethod
    def load(cls, folder: str | Path) -> "History":
        """Read a run folder and verify its checksums.

        Raises: `HistoryError` where it is missing, damaged or not what a run leaves,
        `OtherRunError` where its name is another run's, `NewerFormatError` where a newer version
        made it, `UnreadableError` where a file that is there cannot be read.
        """
        folder = checks.path("folder", folder)
        try:
            return cls._load(folder)
        except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError) as error:
            problem = (
                f"not a readable run folder ({first_line(error)}); move it away to train again"
            )
            raise HistoryError(f"{folder}: {problem}") from error
        except OSError as error:
            problem = f"cannot be read ({first_line(error)}); it is left as it is"
            raise UnreadableError(f"{folder}: {problem}") from error

    @classmethod
    def _load(cls, folder: Path) -> "History":
        files.check_folder(folder)
        manifest = _sealed_manifest(folder)
        config = RunConfig(**manifest["config"])
        _check_names(folder, manifest["identity"], config)
        under_way, sums = manifest["status"] == "running", manifest.get("files", {})
        if not under_way and set(sums) != set(sealed_files(config)):
            raise ValueError("manifest.json has not the checksums of a run's files")
        for name, expected in sums.items():
            content = files.read_bytes(files.sibling(folder, name))
            if hashlib.sha256(content).hexdigest() != expected:
                raise ValueError(f"{name} does not match its checksum")
        measures, health, snapshots = read_rows(folder, config, under_way)
        return cls(
            config=config,
            status=manifest["status"],
            measures=measures,
            references=manifest["references"],
            manifest=manifest,
            folder=folder,
            health=health,
            snapshots=snapshots,
        )


def sealed_files(config: RunConfig) -> tuple[str, ...]:
    """The files whose checksums stand in a manifest; GPT-2's vocabulary is kept elsewhere."""
    return _TABLES if config.vocabulary == GPT2_VOCABULARY else (*_TABLES, VOCABULARY_FILE)


def _sealed_manifest(folder: Path) -> dict[str, Any]:
    manifest = files.read_json(folder / "manifest.json")
    if manifest["format"] > FORMAT:
        made = f"made by a newer version of bitnet (format {manifest['format']}); update it"
        raise NewerFormatError(f"{folder}: {made}")
    if manifest["sha256"] != seal(manifest):
        raise ValueError("manifest.json does not match its checksum")
    check_manifest(manifest, name_prefix="manifest.json")
    return manifest


def _check_names(folder: Path, identity: str, config: RunConfig) -> None:
    """Refuse the folder of another run; one that is named like no run may hold any."""
    if identity.rpartition("-")[0] != config.name:
        raise ValueError(f"manifest.json is of {config.name}, and calls itself {identity}")
    name = folder.resolve().name
    if name != identity and _IDENTITY.fullmatch(name):
        other = f"holds another run, {config.label()} ({identity})"
        raise OtherRunError(f"{folder}: {other}; move it away to train again")


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of a run folder, by its own checksum; None where there is none that is whole."""
    try:
        return _sealed_manifest(folder)
    except (HistoryError, OSError, ValueError, KeyError, TypeError):
        return None


def seal(manifest: Mapping[str, object]) -> str:
    """The checksum of a manifest, over all of it but the checksum."""
    rest = {name: value for name, value in manifest.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
