"""A Stage 1 that several runs share: trained once, kept until each of them has taken it."""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock

from bitnet import files
from bitnet.checks import first_line
from bitnet.config import RECIPE_VERSION, RunConfig
from bitnet.runs.checkpoint import Checkpoint, latest, put_in_place, save, saved_steps
from bitnet.runs.history import read_manifest
from bitnet.runs.state import check_state

__all__ = ["SharedStage1", "stage1_name"]


def stage1_name(config: RunConfig, fingerprint: str, backend: Mapping[str, object]) -> str:
    """A name that runs have in common which differ in Stage 2 only: their Stage 1 is the same.

    To the last bit, where a run repeats itself bit for bit: on a CPU, and on CUDA if strict.
    `fingerprint` is that of the text; `backend` has what else decides it (device, threads, ...).
    """
    facts = config.to_dict() | {"corpus": fingerprint}
    del facts["arm"]
    facts["recipe"] = {**config.recipe.to_dict(), "stage2_decay": None}
    facts |= {"recipe_version": RECIPE_VERSION, "backend": dict(backend)}
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return f"h{config.hidden}-t{config.steps}-s{config.seed}-{digest[:16]}"


@dataclass(frozen=True)
class SharedStage1:
    """Where the state at the stage switch is kept for runs of the folder `runs_dir`.

    `name` is that of `stage1_name`.
    """

    runs_dir: Path
    name: str
    folder: Path = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", self.runs_dir / ".stage1" / self.name)

    @property
    def kept(self) -> bool:
        """Whether it is there to be taken."""
        return bool(saved_steps(self.folder))

    def keep(
        self, checkpoint: Checkpoint, manifest: dict[str, Any], log: Callable[[str], None]
    ) -> None:
        """Keep the state of a run at its switch, and the manifest that says how it came there.

        Where it cannot be kept that is logged: the run itself goes on, and others train their own.
        """
        try:
            files.check_folder(self.folder.parent)
            with self._alone():
                if self.kept:
                    return
                self.folder.mkdir(parents=True, exist_ok=True)
                files.check_folder(self.folder)
                unnamed = self.folder / "manifest.tmp"
                files.write_text(unnamed, json.dumps(manifest))
                put_in_place(unnamed, self.folder / "manifest.json")
                save(self.folder, checkpoint)
        except OSError as error:
            log(f"{self.folder}: Stage 1 could not be kept for other runs ({first_line(error)})")

    def take(
        self, config: RunConfig, log: Callable[[str], None]
    ) -> tuple[Checkpoint, dict[str, Any]] | None:
        """The state at the switch of `config`, and the manifest of the run that trained it.

        The manifest says so under `stage1`. None where nothing whole is kept.
        """
        try:
            files.check_folder(self.folder)
        except OSError as error:
            log(f"{self.folder}: not taken ({first_line(error)})")
            return None
        checkpoint = latest(self.folder, log, partial(check_state, config))
        manifest = read_manifest(self.folder)
        if checkpoint is None or manifest is None:
            self.drop()  # nothing that is whole: whoever trains it may keep it anew
            return None
        source, step = manifest["identity"], checkpoint.step
        log(f"{config.label()}: goes on from step {step} of {source}, whose Stage 1 is the same")
        return checkpoint, manifest | {"stage1": {"from": source, "steps": step}}

    def drop(self) -> None:
        """Forget it: nobody needs it any more."""
        with suppress(OSError):
            if self.folder.exists():
                with self._alone():
                    shutil.rmtree(self.folder, ignore_errors=True)
                self.folder.parent.rmdir()  # as far as it is empty

    def _alone(self) -> FileLock:
        """Held by the one process that writes it."""
        locks = self.runs_dir / ".locks"
        files.check_folder(locks)
        locks.mkdir(parents=True, exist_ok=True)
        return FileLock(locks / f"stage1-{self.name}.lock")
