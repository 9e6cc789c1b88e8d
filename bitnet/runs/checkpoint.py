"""Checkpoints of an unfinished run: written whole, verified when read, never unpickled."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import Tensor

from bitnet import files
from bitnet.checks import first_line
from bitnet.runs.history import seal
from bitnet.terminal import say

__all__ = [
    "Cadence",
    "Checkpoint",
    "clear",
    "clear_partial",
    "latest",
    "put_in_place",
    "save",
    "saved_steps",
    "write_tensors",
]

KEPT = 2  # the newest, and the one before it in case the newest is damaged


@dataclass(frozen=True)
class Checkpoint:
    """A run after update `step`: its tensors by name, and the rows of its history up to then."""

    step: int
    tensors: dict[str, Tensor] = field(repr=False)
    rows: Sequence[dict[str, float]] = field(repr=False)


@dataclass
class Cadence:
    """When to write the next checkpoint: `every` so many steps; 0: `share` of the time is spent."""

    every: int = 0
    share: float = 0.02
    last_step: int = 0
    _ended: float = field(default_factory=time.monotonic)
    _cost: float = 0.5  # seconds, before the first one has been measured

    def due(self, step: int) -> bool:
        if self.every:
            return step - self.last_step >= self.every
        return time.monotonic() - self._ended >= self._cost / self.share

    def note(self, step: int, seconds: float) -> None:
        """One was written at `step`, in so many seconds."""
        self.last_step, self._cost, self._ended = step, seconds, time.monotonic()


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint beside the earlier ones, then drop all but the newest two.

    The tensors are written under another name and renamed; the small file that names their
    checksum, and has one of its own, comes last, so that a crash at any moment leaves the earlier
    checkpoint as the newest whole one.
    """
    tensors, facts = _paths(folder, checkpoint.step)
    digest = write_tensors(tensors, checkpoint.tensors)
    known = {"run": folder.name, "step": checkpoint.step, "tensors": digest}
    known |= {"rows": list(checkpoint.rows)}
    partial = tensors.with_suffix(".tmp")
    files.write_text(partial, json.dumps({"sha256": seal(known), **known}))
    put_in_place(partial, facts)
    for step in saved_steps(folder)[:-KEPT]:
        for path in _paths(folder, step):
            path.unlink(missing_ok=True)


def write_tensors(path: Path, tensors: dict[str, Tensor]) -> str:
    """Write a `safetensors` file, whole or not at all; its sha256. Raises: `OSError`."""
    partial = path.with_suffix(".tmp")
    partial.unlink(missing_ok=True)  # a link would be followed
    try:
        save_file(tensors, partial)
    except SafetensorError as error:  # its name for any failure to write
        partial.unlink(missing_ok=True)
        raise OSError(str(error)) from error
    digest = _sha256(partial)
    put_in_place(partial, path)
    return digest


def latest(
    folder: Path,
    log: Callable[[str], None] = say,
    check: Callable[[Checkpoint], None] = lambda _: None,
) -> Checkpoint | None:
    """The newest checkpoint that is whole; each damaged one is logged and passed over.

    So is one that `check` refuses with a `ValueError`.
    """
    for step in reversed(saved_steps(folder)):
        tensors, facts_path = _paths(folder, step)
        try:
            facts = files.read_json(facts_path)
            content = files.read_bytes(tensors, files.LARGEST_TENSORS)
            whole = hashlib.sha256(content).hexdigest() == facts["tensors"]
            if not whole or seal(facts) != facts["sha256"] or facts["step"] != step:
                raise ValueError("its checksum does not match")
            if facts.get("run", folder.name) != folder.name:
                raise ValueError(f"it is of {facts['run']}")
            found = Checkpoint(int(facts["step"]), load(content), facts["rows"])
            check(found)
            return found
        except (
            OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError
        ) as error:  # fmt: skip
            log(f"{tensors}: damaged checkpoint passed over ({first_line(error)})")
    return None


def clear(folder: Path) -> None:
    """Drop every checkpoint of a run, and what a crash left of one."""
    for path in (*folder.glob("checkpoint-*.safetensors"), *folder.glob("checkpoint-*.json")):
        path.unlink(missing_ok=True)
    clear_partial(folder)


def clear_partial(folder: Path) -> None:
    """Drop what a process that was killed left half written."""
    for path in folder.glob("*.tmp"):
        path.unlink(missing_ok=True)


def _paths(folder: Path, step: int) -> tuple[Path, Path]:
    return folder / f"checkpoint-{step:09d}.safetensors", folder / f"checkpoint-{step:09d}.json"


def saved_steps(folder: Path) -> list[int]:
    """The steps of which both files of a checkpoint are there, oldest first."""
    return sorted(
        int(path.stem.removeprefix("checkpoint-"))
        for path in folder.glob("checkpoint-*.json")
        if path.with_suffix(".safetensors").exists()
        and path.stem.removeprefix("checkpoint-").isdigit()
    )


def put_in_place(partial: Path, path: Path) -> None:
    """Give a file its name once its bytes are on disk."""
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(path)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
