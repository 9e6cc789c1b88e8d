"""A plan: which arms, seeds, size and length to train, and its execution run by run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bitnet import checks
from bitnet.arms import ARMS, BROKEN, FIX
from bitnet.backend import Backend, choose
from bitnet.config import RunConfig
from bitnet.data import Corpus, check_corpus
from bitnet.history import History, default_runs_dir
from bitnet.run import Callback, run

__all__ = ["PLAN_STEPS", "QUICK_STEPS", "Plan", "execute"]

PLAN_STEPS = 20000  # the brief's question is about this many
QUICK_STEPS = 160  # a quick look on a CPU: three arms at hidden 256 in under three minutes on two cores
QUICK_EVALUATIONS = 4  # evenly spaced; the first step and the plan's checkpoints come on top


@dataclass(frozen=True)
class Plan:
    """The parameters of a study, checked and completed; the fields are those of the notebooks.

    `steps=0` means the brief's 20 000 on a GPU and a quick look on a CPU. `arms` and `seeds` are comma-separated texts
    or lists. `eval_every=0` means 20 evaluations a run (4 in a quick look) besides the plan's checkpoints. Errors:
    `ParameterError`, one line, before any work starts.
    """

    hidden: int = 256
    steps: int = 0
    arms: Sequence[str] | str = (BROKEN, FIX, "adamw-0.0")
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
        self._set("backend", backend)
        steps = checks.integer("steps", self.steps, 0)
        if 0 < steps < 8:
            raise checks.ParameterError("steps", steps, "must be 0 (choose for me) or at least 8")
        quick = steps == 0 and backend.device.type == "cpu"
        self._set("quick", quick)
        self._set("steps", steps or (QUICK_STEPS if quick else PLAN_STEPS))
        arms, seeds = checks.names("arms", self.arms, tuple(ARMS)), checks.seeds("seeds", self.seeds)
        check_corpus(self.corpus)
        self._set("arms", arms)
        self._set("seeds", seeds)
        self._set("device", str(backend.device))
        self._set("runs_dir", checks.folder("runs_dir", self.runs_dir) or default_runs_dir())
        every = checks.integer("eval_every", self.eval_every, 0) or (self.steps // QUICK_EVALUATIONS if quick else 0)
        self._set(
            "runs",
            tuple(
                RunConfig(
                    arm=arm,
                    hidden=self.hidden,
                    steps=self.steps,
                    seed=seed,
                    corpus=self.corpus,
                    eval_every=every,
                    probe_positions=self.probe_positions,
                )
                for seed in seeds
                for arm in arms
            ),
        )
        self._set("hidden", self.runs[0].hidden)

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    @property
    def name(self) -> str:
        """A folder name for what comes of this plan."""
        return f"verify-h{self.hidden}-t{self.steps}"


def execute(
    plan: Plan, corpus: Corpus, callbacks: Sequence[Callback] = (), say: Callable[[str], None] = print
) -> list[History]:
    """Train every run of a plan, one after the other, and return their histories in order.

    A run that is already complete in the runs folder is read back, and one that was interrupted goes on. One that
    diverges or runs out of memory does not stop the others.
    """
    return [run(config, corpus, plan.runs_dir, plan.backend, callbacks, say) for config in plan.runs]
