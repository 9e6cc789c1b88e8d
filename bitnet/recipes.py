"""The training recipe, and the arms of the study: named or given overrides of it."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from bitnet import checks
from bitnet.schedule import SCHEDULES, learning_rate, weight_decay

__all__ = [
    "ARMS",
    "BROKEN",
    "DECAYED",
    "FIX",
    "GROUPS",
    "Arm",
    "Recipe",
    "arm_name",
    "arm_names",
    "decay_grid",
    "recipe",
]

BROKEN, FIX = "l2-0.05", "l2-0.0"  # the two settings the brief compares

# The parameters of a model: both ends, the ternary matrices of its blocks, the gains of its norms.
GROUPS = ("embedding", "head", "ternary", "norm")
# What a decay can apply to, and the groups that it then applies to.
DECAYED = {
    "all": GROUPS,
    "blocks": ("ternary", "norm"),
    **{group: (group,) for group in GROUPS},
    **{f"all-but-{left}": tuple(g for g in GROUPS if g != left) for left in GROUPS},
}

Arm = str | Mapping[str, Any]  # a name, or {base: a name, field of Recipe: value, ...}

WINDOWS = ("consecutive", "shuffled")  # see `bitnet.batches.Batches`
LONGEST_NAME = 100  # of an arm; it becomes part of a folder's name


_YOUNGER = ("decayed", "schedule", "windows", "embedding_std", "unlikelihood")  # fields


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


_L2 = Recipe()
_L2_STAGE1 = replace(_L2, stage2_decay=0.1)
_ADAMW = replace(_L2, optimizer="adamw")
_RECOMMENDED = replace(
    _ADAMW, stage2_decay=0.1, peak_lr=3e-3, decayed="all-but-norm", schedule="linear",
    windows="shuffled", embedding_std=0.02, unlikelihood=4.0,
)  # fmt: skip

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
    "recommended": _RECOMMENDED,  # for use; results/PLAN-CURE.md
    "fp-recommended": replace(_RECOMMENDED, quantize=False),
}

# What an override may name: the fields of a recipe, and `decay` for both stages at once.
_FIELDS = (*(field.name for field in fields(Recipe)), "decay")


def recipe(arm: str) -> Recipe:
    """The recipe of an arm by its name, one of `ARMS` or one that `arm_name` gave.

    Raises: `ParameterError` for an unknown name, with the nearest known one.
    """
    base, *changes = arm.split("+") if isinstance(arm, str) else (arm,)
    found = ARMS[checks.choice("arm", base, tuple(ARMS))]
    for change in changes:
        name, _, value = change.partition("=")
        found = _override(found, name, _literal(value))
    return found


def arm_name(arm: object) -> str:
    """The name of an arm, in one spelling: itself if it stands in `ARMS`, else base+field=value.

    `arm` is a name ("adamw-0.0", "adamw-0.0+peak_lr=3e-3") or a mapping of overrides
    ({"base": "adamw-0.0", "peak_lr": 3e-3}); `decay` sets both stages. Overrides that change
    nothing are left out, and a recipe that stands in `ARMS` has its name there.

    Raises: `ParameterError`, one line, for anything else.
    """
    if isinstance(arm, Mapping):
        if "base" not in arm:
            raise checks.ParameterError("arm", dict(arm), f"needs a base, one of {', '.join(ARMS)}")
        base = checks.choice("base", arm["base"], tuple(ARMS))
        wanted = ARMS[base]
        for name, value in arm.items():
            if name != "base":
                wanted = _override(wanted, name, value)
    else:
        name = arm if isinstance(arm, str) else checks.choice("arm", arm, tuple(ARMS))
        base, wanted = name.partition("+")[0], recipe(name)
    return _name(base, wanted)


def arm_names(name: str, value: object) -> tuple[str, ...]:
    """The names of several arms, each once: a comma-separated text, a mapping, or a list of arms.

    Raises: `ParameterError` naming the parameter, `name`.
    """
    if isinstance(value, str):
        items: list[object] = [part.strip() for part in value.split(",") if part.strip()]
    elif isinstance(value, Mapping) or not isinstance(value, Iterable):
        items = [value]
    else:
        items = list(value)
    try:
        found = tuple(arm_name(item) for item in items)
    except checks.ParameterError as error:
        at, wrong, allowed = error.args
        raise checks.ParameterError(
            name if at == "arm" else f"{name}: {at}", wrong, allowed
        ) from None
    if not found or len(set(found)) != len(found):
        allowed = f"must name one or more of {', '.join(ARMS)}, or overrides of them, each once"
        raise checks.ParameterError(name, value, allowed)
    return found


def decay_grid(decays: Iterable[float]) -> tuple[str, ...]:
    """The arms that ask for the mechanism, at these coefficients, the same in both stages.

    {ternary, full precision} x {coupled, decoupled}; without decay both kinds are the same run.
    """
    return tuple(
        arm_name({"base": f"{precision}{kind}-0.0", "decay": decay})
        for precision in ("", "fp-")
        for kind in ("l2", "adamw")
        for decay in decays
        if decay or kind == "l2"
    )


def _override(found: Recipe, name: str, value: Any) -> Recipe:
    """A recipe with one field changed. Raises: `ParameterError` naming the field."""
    if name not in _FIELDS:
        checks.choice("field of an arm", name, _FIELDS)
    try:
        if name == "decay":
            return replace(found, stage1_decay=value, stage2_decay=value)
        return replace(found, **{name: value})
    except checks.ParameterError as error:
        raise checks.ParameterError(name, value, error.args[2]) from None


def _name(base: str, wanted: Recipe) -> str:
    if wanted == ARMS[base]:
        return base
    for name, known in ARMS.items():
        if wanted == known:
            return name
    new, old = wanted.to_dict(), ARMS[base].to_dict()
    changes = {name: value for name, value in new.items() if value != old[name]}
    stages = changes.keys() & {"stage1_decay", "stage2_decay"}
    if stages and wanted.stage1_decay == wanted.stage2_decay:
        changes = {name: value for name, value in changes.items() if name not in stages}
        changes["decay"] = wanted.stage1_decay
    parts = (f"{name}={_text(value)}" for name, value in changes.items())
    result = "+".join([base, *parts])
    if len(result) > LONGEST_NAME:
        allowed = f"its name would be longer than {LONGEST_NAME} letters; override fewer fields"
        raise checks.ParameterError("arm", result, allowed)
    return result


def _text(value: object) -> str:
    return repr(value) if isinstance(value, float) else str(value)


def _literal(text: str) -> object:
    return {"True": True, "False": False}.get(text, text)
