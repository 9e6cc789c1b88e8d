"""The training recipe: how a run is optimised."""

from dataclasses import asdict, dataclass

from bitnet import checks
from bitnet.schedule import SCHEDULES, learning_rate, weight_decay

__all__ = ["DECAYED", "GROUPS", "WINDOWS", "Recipe"]

# The parameters of a model: both ends, the ternary matrices of its blocks, the gains of its norms.
GROUPS = ("embedding", "head", "ternary", "norm")
# What a decay can apply to, and the groups that it then applies to.
DECAYED = {
    "all": GROUPS,
    "blocks": ("ternary", "norm"),
    **{group: (group,) for group in GROUPS},
    **{f"all-but-{left}": tuple(g for g in GROUPS if g != left) for left in GROUPS},
}

WINDOWS = ("consecutive", "shuffled")  # see `bitnet.batches.Batches`

# The fields that came after the first runs.
_YOUNGER = ("decayed", "schedule", "windows", "embedding_std", "unlikelihood")


@dataclass(frozen=True)
class Recipe:
    """How a run is optimised: the brief's recipe, unless overridden.

    `optimizer` "adam" couples the decay into the gradient (L2; Kingma & Ba 2015), "adamw" applies
    it to the weight itself (Loshchilov & Hutter 2019, algorithm 2). Learning rates and decays are
    per update; `clip_norm` bounds the global gradient norm; `quantize=False` trains the
    full-precision control; `decayed` names the weights that decay applies to, a key of `DECAYED`:
    all, one of the `GROUPS`, all but one, or "blocks" (ternary and norm). `schedule` is that of the
    learning rate (`bitnet.schedule`), `windows` how the text is cut into batches
    (`bitnet.batches`). `embedding_std` is the standard deviation of embedding and head at the
    start; 0 leaves them as PyTorch initialises them. `unlikelihood` is the weight of the penalty on
    repeats in the model's own continuations, late in a run (`bitnet.unlikelihood`); 0 is none.

    Raises: `ParameterError` for a value that is not allowed.
    """

    optimizer: str = "adam"
    peak_lr: float = 1.5e-3
    beta1: float = 0.9
    beta2: float = 0.95
    eps: float = 1e-8
    stage1_decay: float = 0.1
    stage2_decay: float = 0.0
    clip_norm: float = 1.0
    label_smoothing: float = 0.0
    quantize: bool = True
    decayed: str = "all"
    schedule: str = SCHEDULES[0]
    windows: str = WINDOWS[0]
    embedding_std: float = 0.0
    unlikelihood: float = 0.0

    def __post_init__(self) -> None:
        checks.choice("optimizer", self.optimizer, ("adam", "adamw"))
        checks.choice("decayed", self.decayed, tuple(DECAYED))
        checks.choice("schedule", self.schedule, SCHEDULES)
        checks.choice("windows", self.windows, WINDOWS)
        for name, low, high in (
            ("peak_lr", 0.0, 1.0), ("beta1", 0.0, 0.9999), ("beta2", 0.0, 0.99999),
            ("eps", 0.0, 1.0), ("stage1_decay", 0.0, 1.0), ("stage2_decay", 0.0, 1.0),
            ("clip_norm", 1e-12, 1e12), ("label_smoothing", 0.0, 0.999),
            ("embedding_std", 0.0, 10.0), ("unlikelihood", 0.0, 1000.0),
        ):  # fmt: skip
            object.__setattr__(self, name, checks.number(name, getattr(self, name), low, high))
        checks.boolean("quantize", self.quantize)

    @property
    def decayed_groups(self) -> tuple[str, ...]:
        """Those of the `GROUPS` that decay applies to."""
        return DECAYED[self.decayed]

    @property
    def staged(self) -> bool:
        """Whether anything changes at the stage switch: the decay, or the slope of the rate."""
        return self.schedule == SCHEDULES[0] or self.stage1_decay != self.stage2_decay

    def rates(self, step: int, total: int) -> tuple[float, float]:
        """Learning rate and weight decay of update `step` of a run of `total` updates."""
        lr = learning_rate(step, total, self.peak_lr, self.schedule)
        return lr, weight_decay(step, total, self.stage1_decay, self.stage2_decay)

    def to_dict(self) -> dict[str, object]:
        return asdict(self)

    def facts(self) -> dict[str, object]:
        """The fields that belong to an identity.

        Those younger than the first runs, whose names stay as they were, only where they differ.
        """
        old = {name for name in _YOUNGER if getattr(self, name) == getattr(Recipe, name)}
        return {name: value for name, value in self.to_dict().items() if name not in old}
