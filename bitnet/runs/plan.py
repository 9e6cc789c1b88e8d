"""A plan: which arms, seeds, size and length to train, and its execution run by run."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bitnet import checks
from bitnet.arms import BROKEN, FIX, Arm, arm_names
from bitnet.config import RunConfig
from bitnet.data import Corpus, load_corpus
from bitnet.runs.history import History, default_runs_dir
from bitnet.runs.run import Callback, run
from bitnet.runs.tracker import NO_TRACKER, check_tracker
from bitnet.runtime.backend import Backend, choose
from bitnet.scales import choose_scale
from bitnet.terminal import say
from bitnet.texts import check_corpus

__all__ = ["Plan", "execute"]


@dataclass(frozen=True)
class Plan:
    """The parameters of a study, checked and completed; the fields are those of the notebooks.

    `scale` gives every size that is 0: "full" is the brief's, "miniature" a hundredth of its cost,
    "auto" the first on a GPU and the second on a CPU. `arms` and `seeds` are comma-separated texts
    or lists; an arm is a name from `ARMS` or overrides of one ({"base": "adamw-0.0", "peak_lr":
    3e-3}). `order` is that of the training text. `tracker` names what runs are logged to besides
    their folders, such as "tensorboard". `eval_every=0` means 20 evaluations a run besides
    the milestones. A plan only holds what it is to do: nothing is started, set or read until its
    corpus is loaded or it is executed.

    Raises: `ParameterError`, one line, before any work starts.
    """

    hidden: int = 0
    steps: int = 0
    arms: Sequence[Arm] | Arm = (BROKEN, FIX, "adamw-0.0")
    seeds: Sequence[int] | str | int = (0,)
    corpus: str = "wikipedia-sample"
    device: str = "auto"
    runs_dir: str | Path = ""
    precision: str = "auto"
    strict: bool = False
    eval_every: int = 0
    probe_positions: int = 4096
    scale: str = "auto"
    vocabulary: int = 0
    batch_size: int = 0
    sequence_length: int = 0
    order: int = 0
    tracker: str = NO_TRACKER
    backend: Backend = field(init=False, repr=False)
    runs: tuple[RunConfig, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_tracker(self.tracker)
        backend = choose(self.device, self.precision, self.strict)
        scale = choose_scale(self.scale, on_gpu=backend.device.type == "cuda")
        sizes: dict[str, Any] = {
            name: checks.integer(name, getattr(self, name), 0) or getattr(scale, name)
            for name in ("hidden", "steps", "vocabulary", "batch_size", "sequence_length")
        }
        arms, seeds = arm_names("arms", self.arms), checks.seeds("seeds", self.seeds)
        shared = sizes | {
            "corpus": check_corpus(self.corpus),
            "order": self.order,
            "eval_every": self.eval_every,
            "probe_positions": self.probe_positions,
        }
        runs = tuple(RunConfig(arm, seed=seed, **shared) for seed in seeds for arm in arms)
        runs_dir = checks.folder("runs_dir", self.runs_dir) or default_runs_dir()
        completed = sizes | {
            "backend": backend, "scale": scale.name, "runs": runs, "arms": arms, "seeds": seeds,
            "device": str(backend.device), "runs_dir": runs_dir,
        }  # fmt: skip
        for name, value in completed.items():
            object.__setattr__(self, name, value)

    @property
    def name(self) -> str:
        """A folder name for what comes of this plan: its scale and sizes, then a hash of all of it.

        The text counts by its name.
        """
        backend = self.backend
        facts = [[run.to_dict() for run in self.runs], backend.device.type, backend.precision]
        digest = hashlib.sha256(json.dumps([*facts, backend.strict]).encode()).hexdigest()
        return f"verify-{self.scale}-h{self.hidden}-t{self.steps}-{digest[:8]}"

    def load_corpus(self, log: Callable[[str], None] = say) -> Corpus:
        """The text of this plan, tokenised. Raises: `ParameterError` as `load_corpus`."""
        return load_corpus(self.corpus, self.vocabulary, log=log)


def execute(
    plan: Plan,
    corpus: Corpus | None = None,
    callbacks: Sequence[Callback] = (),
    log: Callable[[str], None] = say,
) -> list[History]:
    """Train every run of a plan, one after the other, and return their histories in order.

    `corpus` is what `plan.load_corpus` gives, if it is there already. A run that is complete in the
    runs folder is loaded, and one that was interrupted is resumed. One that diverges or runs out of
    memory does not stop the others. Raises: `ParameterError` for a corpus that is not the plan's.
    """
    checks.instance("plan", plan, Plan)
    if corpus is not None:
        checks.instance("corpus", corpus, Corpus, "load_corpus")
    if corpus and corpus.name != plan.corpus:
        allowed = f"must be the plan's, {plan.corpus}; or give the plan this one"
        raise checks.ParameterError("corpus", corpus.name, allowed)
    text = corpus or plan.load_corpus(log)
    where, tracker = (plan.runs_dir, plan.backend), plan.tracker
    return [run(c, text, *where, callbacks, log, tracker=tracker) for c in plan.runs]
