"""The arms of the study: named overrides of one training recipe, in one table that everything else reads."""

from dataclasses import asdict, dataclass, replace

from bitnet import checks

__all__ = ["ARMS", "BROKEN", "FIX", "GRID", "GRID_DECAYS", "Recipe", "grid_arms", "recipe"]

BROKEN, FIX = "l2-0.05", "l2-0.0"  # the two settings the brief compares


@dataclass(frozen=True)
class Recipe:
    """How a run is optimised (the brief's recipe, unless overridden).

    `optimizer` "adam" couples the decay into the gradient (L2; Kingma & Ba 2015), "adamw" applies it to the weight
    itself (Loshchilov & Hutter 2019, algorithm 2). Learning rates and decays are per update; `clip_norm` bounds the
    global gradient norm; `quantize=False` trains the full-precision control; `decayed` names the weights that decay
    applies to, "all" or only those of the "blocks" (so not embedding and head).
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

    def __post_init__(self) -> None:
        checks.choice("optimizer", self.optimizer, ("adam", "adamw"))
        checks.choice("decayed", self.decayed, ("all", "blocks"))
        for name, low, high in (
            ("peak_lr", 0.0, 1.0), ("beta1", 0.0, 0.9999), ("beta2", 0.0, 0.99999), ("eps", 0.0, 1.0),
            ("stage1_decay", 0.0, 1.0), ("stage2_decay", 0.0, 1.0), ("clip_norm", 1e-12, 1e12),
            ("label_smoothing", 0.0, 0.999),
        ):  # fmt: skip
            object.__setattr__(self, name, checks.number(name, getattr(self, name), low, high))
        checks.boolean("quantize", self.quantize)

    def to_dict(self) -> dict[str, object]:
        return asdict(self)


_L2 = Recipe()
_L2_STAGE1 = replace(_L2, stage2_decay=0.1)
_ADAMW = replace(_L2, optimizer="adamw")

ARMS: dict[str, Recipe] = {
    "l2-0.05": replace(_L2, stage2_decay=0.05),  # the broken setting
    "l2-0.0": _L2,  # the fix
    "l2-0.1": _L2_STAGE1,  # Stage 1 only
    "l2-reduced-lr": replace(_L2_STAGE1, peak_lr=5e-4),
    "l2-label-smoothing": replace(_L2_STAGE1, label_smoothing=0.1),
    "l2-grad-clip": replace(_L2_STAGE1, clip_norm=0.1),
    "adamw-0.05": replace(_ADAMW, stage2_decay=0.05),
    "adamw-0.0": _ADAMW,
    "no-decay": replace(_L2, stage1_decay=0.0),
    "fp-l2-0.0": replace(_L2, quantize=False),
    "fp-adamw-0.0": replace(_ADAMW, quantize=False),
    "l2-blocks-0.0": replace(_L2, decayed="blocks"),  # coupled decay kept off embedding and head
}

# The grid that asks for the mechanism: kind of decay x quantization x one coefficient in both stages. No decay is the same
# for both kinds.
GRID_DECAYS = (0.0, 0.001, 0.01, 0.05, 0.1)
GRID: dict[str, Recipe] = {
    f"{prefix}{kind}-both-{decay:g}": replace(base, stage1_decay=decay, stage2_decay=decay, quantize=not prefix)
    for prefix in ("", "fp-")
    for kind, base in (("l2", _L2), ("adamw", _ADAMW))
    for decay in GRID_DECAYS
    if decay or kind == "l2"
}
ARMS |= GRID


def grid_arms(decays: object) -> tuple[str, ...]:
    """The names of the grid's arms at these coefficients: one of `GRID_DECAYS`, or several (a comma-separated text, a list)."""
    if isinstance(decays, int | float) and not isinstance(decays, bool):
        decays = f"{decays:g}"
    chosen = {float(d) for d in checks.names("decays", decays, tuple(f"{d:g}" for d in GRID_DECAYS))}
    return tuple(name for name, recipe in GRID.items() if recipe.stage1_decay in chosen)


def recipe(arm: str) -> Recipe:
    """The recipe of a named arm; `ParameterError` for an unknown name, with the nearest known one."""
    return ARMS[checks.choice("arm", arm, tuple(ARMS))]
