"""A Stage 1 that several runs share: trained once, kept until each of them has taken it."""

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bitnet.config import RunConfig
from bitnet.recipes import arm_name
from bitnet.runs.checkpoint import Checkpoint, latest, put_in_place, save, saved_steps
from bitnet.runs.history import read_manifest

__all__ = ["SharedStage1", "whole_stage1"]


def whole_stage1(config: RunConfig) -> RunConfig:
    """The run that keeps the decay of its first half: it stands for all with the same Stage 1.

    Up to the switch they differ in nothing: not in the last bit, with as many threads.
    """
    stage1 = config.recipe.stage1_decay
    return replace(config, arm=arm_name(f"{config.arm}+stage2_decay={stage1}"))


@dataclass(frozen=True)
class SharedStage1:
    """Where the state at the stage switch is kept for runs of the folder `runs_dir`.

    `name` tells it from that of other runs: the identity of `whole_stage1`, and the threads.
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

    def keep(self, checkpoint: Checkpoint, manifest: dict[str, Any]) -> None:
        """Keep the state of a run at its switch, and the manifest that says how it came there."""
        if self.kept:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.folder / "manifest.tmp"
        partial.write_text(json.dumps(manifest))
        put_in_place(partial, self.folder / "manifest.json")
        save(self.folder, checkpoint)

    def take(
        self, config: RunConfig, log: Callable[[str], None]
    ) -> tuple[Checkpoint, dict[str, Any]] | None:
        """The state at the switch of `config`, and the manifest of the run that trained it.

        The manifest says so under `stage1`. None where nothing whole is kept.
        """
        checkpoint, manifest = latest(self.folder, log), read_manifest(self.folder)
        if checkpoint is None or manifest is None:
            return None
        source, step = manifest["identity"], checkpoint.step
        log(f"{config.label()}: goes on from step {step} of {source}, whose Stage 1 is the same")
        return checkpoint, manifest | {"stage1": {"from": source, "steps": step}}

    def drop(self) -> None:
        """Forget it: nobody needs it any more."""
        shutil.rmtree(self.folder, ignore_errors=True)
        with suppress(OSError):
            self.folder.parent.rmdir()  # as far as it is empty
