"""A plan: which arms, seeds, size and length to train, and its execution run by run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bitnet import checks
from bitnet.config import RunConfig
from bitnet.data import Corpus, load_corpus
from bitnet.recipes import BROKEN, FIX, Arm, arm_names
from bitnet.runs.history import History, default_runs_dir
from bitnet.runs.run import Callback, run
from bitnet.runtime.backend import Backend, choose
from bitnet.texts import check_corpus

__all__ = ["PLAN_STEPS", "QUICK_STEPS", "Plan", "execute"]

PLAN_STEPS = 20000  # the brief's question is about this many
QUICK_STEPS = 160  # a quick look on a CPU: three arms at hidden 256 in under three minutes
QUICK_EVALUATIONS = 4  # evenly spaced; the first step and the milestones come on top


@dataclass(frozen=True)
class Plan:
    """The parameters of a study, checked and completed; the fields are those of the notebooks.

    `steps=0` means the brief's 20 000 on a GPU and a quick look on a CPU. `arms` and `seeds` are
    comma-separated texts or lists; an arm is a name from `ARMS` or overrides of one
    ({"base": "adamw-0.0", "peak_lr": 3e-3}). `eval_every=0` means 20 evaluations a run (4 in a
    quick look) besides the milestones. A plan only holds what it is to do: nothing is started, set
    or read until its corpus is loaded or it is executed.

    Raises: `ParameterError`, one line, before any work starts.
    """

    hidden: int = 256
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
    backend: Backend = field(init=False, repr=False)
    quick: bool = field(init=False)
    runs: tuple[RunConfig, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        backend = choose(self.device, self.precision, self.strict)
        steps = checks.integer("steps", self.steps, 0)
        if 0 < steps < 8:
            raise checks.ParameterError("steps", steps, "must be 0 (choose for me) or at least 8")
        quick = steps == 0 and backend.device.type == "cpu"
        steps = steps or (QUICK_STEPS if quick else PLAN_STEPS)
        every = checks.integer("eval_every", self.eval_every, 0)
        arms, seeds = arm_names("arms", self.arms), checks.seeds("seeds", self.seeds)
        shared: dict[str, Any] = {
            "hidden": self.hidden,
            "steps": steps,
            "corpus": check_corpus(self.corpus),
            "eval_every": every or (steps // QUICK_EVALUATIONS if quick else 0),
            "probe_positions": self.probe_positions,
        }
        runs = tuple(RunConfig(arm, seed=seed, **shared) for seed in seeds for arm in arms)
        for name, value in {
            "backend": backend,
            "quick": quick,
            "runs": runs,
            "hidden": runs[0].hidden,
            "steps": steps,
            "arms": arms,
            "seeds": seeds,
            "device": str(backend.device),
            "runs_dir": checks.folder("runs_dir", self.runs_dir) or default_runs_dir(),
        }.items():
            object.__setattr__(self, name, value)

    @property
    def name(self) -> str:
        """A folder name for what comes of this plan."""
        return f"verify-h{self.hidden}-t{self.steps}"

    def load_corpus(self, log: Callable[[str], None] = print) -> Corpus:
        """The text of this plan, tokenised. Raises: `ParameterError` as `load_corpus`."""
        return load_corpus(self.corpus, log=log)


def execute(
    plan: Plan,
    corpus: Corpus | None = None,
    callbacks: Sequence[Callback] = (),
    log: Callable[[str], None] = print,
) -> list[History]:
    """Train every run of a plan, one after the other, and return their histories in order.

    `corpus` is what `plan.load_corpus` gives, if it is there already. A run that is complete in the
    runs folder is loaded, and one that was interrupted is resumed. One that diverges or runs out of
    memory does not stop the others.
    """
    text = corpus or plan.load_corpus(log)
    return [run(config, text, plan.runs_dir, plan.backend, callbacks, log) for config in plan.runs]
