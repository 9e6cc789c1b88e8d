"""The arms of the study: recipes by name, and overrides of them by a name that says them."""

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import Any

from bitnet import checks
from bitnet.recipes import Recipe

__all__ = [
    "ARMS", "BROKEN", "FIX", "RECOMMENDED", "Arm", "arm_name", "arm_names", "decay_grid", "recipe",
]  # fmt: skip

BROKEN, FIX = "l2-0.05", "l2-0.0"  # the two settings the brief compares
RECOMMENDED = "recommended"  # for use; tried in results/PLAN-CURE.md

Arm = str | Mapping[str, Any]  # a name, or {base: a name, field of Recipe: value, ...}

LONGEST_NAME = 100  # of an arm; it becomes part of a folder's name

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
    RECOMMENDED: _RECOMMENDED,
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
        items = list(value) if getattr(value, "ndim", 1) else [value]  # numpy's of no dimension
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
