"""The ten predictions of results/PLAN-2.md, each held, failed, or not known yet."""

from collections.abc import Callable, Sequence

import pandas as pd

from bitnet.analysis.dose import DIVERGED, DOSES, UP, up_or
from bitnet.evaluation.diversity import DOWN
from bitnet.recipes import GROUPS
from bitnet.scales import MINIATURE

__all__ = ["Foretell", "predictions"]

RATES = (5e-4, 1.5e-3, 3e-3)
MIDDLE = 1.5e-3
THREE = (0.001, 0.01, 0.075)  # doses of the vocabulary and batch blocks
NATS = 0.1  # between a collapsed run's loss and the one foretold
OUTSIDE = 0.2  # the share of collapsed runs that may be further off
USEFUL, BY = 0.9, 900  # precision and recall of an early warning, and the step it has to come by

HELD, FAILED, UNKNOWN = "held", "failed", "not known"
Foretell = Callable[[int, float], float]  # vocabulary, coefficient -> loss without context, nats
Answer = tuple[str, str]


def predictions(
    table: pd.DataFrame, foretell: Foretell, warnings: pd.DataFrame, whole: bool
) -> pd.DataFrame:
    """Prediction by prediction: its number, the answer, and what it rests on.

    `table` is that of `dose.cells`, `warnings` that of `early.judged` on the runs that no alarm was
    chosen on; `whole` says that every run of the plan is there. A prediction of which a cell is
    missing is "not known", unless one that is there refutes it; those about all runs together (P9,
    P10) are not known before all are there.
    """
    found = [
        _middle(table), _decoupled(table), _rates(table), _precision(table),
        _group(table, ("all-but-embedding", "all-but-ternary"), dead=True),
        _group(table, (*GROUPS, "all-but-head", "all-but-norm"), dead=False),
        _vocabulary(table), _batch(table),
        _so_far(_losses(table, foretell), whole), _so_far(_early(warnings), whole),
    ]  # fmt: skip
    rows = [(f"P{n}", *answer) for n, answer in enumerate(found, start=1)]
    return pd.DataFrame(rows, columns=["prediction", "answer", "evidence"])


def _so_far(answer: Answer, whole: bool) -> Answer:
    said, evidence = answer
    return answer if whole or said == UNKNOWN else (UNKNOWN, f"so far {said}: {evidence}")


def _states(table: pd.DataFrame, **where: object) -> dict[float, str]:
    """The state at the end of the cells that are so, by coefficient."""
    chosen = table[table.decayed == where.pop("decayed", "all")]
    own = {"vocabulary": MINIATURE.vocabulary, "quantized": True, "rate": MIDDLE, "batch": 256}
    for name, value in (own | where).items():
        chosen = chosen[chosen[name] == value]
    return {row.decay: row.state for row in chosen.itertuples()}


def _ends(table: pd.DataFrame, **where: object) -> dict[float, str]:
    """As `_states`, with learning and diverse as up."""
    return {decay: up_or(state) for decay, state in _states(table, **where).items()}


def _compared(found: dict, expected: dict) -> Answer:
    """Held where all is there and as expected, failed where something is not."""
    wrong = {key: found[key] for key in expected if key in found and found[key] != expected[key]}
    missing = [key for key in expected if key not in found]
    told = ", ".join(f"{_name(key)} {end}" for key, end in found.items() if key in expected)
    if wrong:
        return FAILED, ", ".join(f"{_name(key)} is {end}" for key, end in wrong.items())
    if missing:
        return UNKNOWN, f"{len(missing)} of {len(expected)} cells are missing; so far {told or '-'}"
    return HELD, told


def _name(key: object) -> str:
    return f"{key:g}" if isinstance(key, float) else str(key)


def _middle(table: pd.DataFrame) -> Answer:
    expected = {d: "up" if d <= 1e-3 else "collapsed" if d <= 3e-2 else "dead" for d in DOSES}
    return _compared(_ends(table, kind="coupled"), expected)


def _decoupled(table: pd.DataFrame) -> Answer:
    found: dict[str, str] = {}
    expected: dict[str, str] = {}
    for rate, quantized in [*((rate, True) for rate in RATES), (MIDDLE, False)]:
        name = f"rate {rate:g}{'' if quantized else ', full precision'}, decay"
        ends = _ends(table, kind="decoupled", rate=rate, quantized=quantized)
        # One that diverged is neither up nor down: it is missing here.
        found |= {f"{name} {d:g}": end for d, end in ends.items() if end != DIVERGED}
        expected |= {f"{name} {decay:g}": "up" for decay in DOSES[1:]}
    answer, evidence = _compared(found, expected)
    return answer, f"all {len(expected)} cells are up" if answer == HELD else evidence


def _rates(table: pd.DataFrame) -> Answer:
    """Between which doses up and down part, at each rate; nowhere where they part twice."""
    places = {}
    for rate in RATES:
        ends = _ends(table, kind="coupled", rate=rate)
        if set(DOSES) <= set(ends):
            downs = [ends[dose] in DOWN for dose in DOSES]
            once = downs == sorted(downs) and any(downs) and not all(downs)
            place = f"down from {DOSES[downs.index(True)]:g}" if once else "no one boundary"
            places[f"rate {rate:g}"] = place
    told = ", ".join(f"{rate}: {place}" for rate, place in places.items())
    if len(set(places.values())) > 1 or "no one boundary" in places.values():
        return FAILED, told
    return (HELD if len(places) == len(RATES) else UNKNOWN), told or "no rate has all its doses"


def _precision(table: pd.DataFrame) -> Answer:
    found: dict[str, str] = {}
    expected: dict[str, str] = {}
    for kind in ("coupled", "decoupled"):
        ternary, full = (_ends(table, kind=kind, quantized=q) for q in (True, False))
        for dose in DOSES[kind == "decoupled" :]:
            key, pair = f"{kind} {dose:g}", (ternary.get(dose), full.get(dose))
            expected[key] = "missing"
            if all(pair) and DIVERGED not in pair:
                expected[key], found[key] = ("down" if end in DOWN else UP for end in pair)
    return _compared(found, expected)


def _group(table: pd.DataFrame, names: Sequence[str], dead: bool) -> Answer:
    ends = {name: _ends(table, kind="coupled", decayed=name).get(0.1) for name in names}
    found = {name: end for name, end in ends.items() if end}
    expected = {name: "dead" if dead else _but_dead(ends[name]) for name in names}
    return _compared(found, expected)


def _but_dead(state: str | None) -> str:
    """The state itself, unless it is the one that is not expected."""
    return state if state and state != "dead" else "not dead"


def _vocabulary(table: pd.DataFrame) -> Answer:
    found: dict[str, str] = {}
    expected: dict[str, str] = {}
    for size, dead in ((1024, True), (4096, True), (16384, False), (50257, False)):
        end = _ends(table, kind="coupled", vocabulary=size).get(0.075)
        found |= {f"{size} tokens": end} if end else {}
        expected[f"{size} tokens"] = "dead" if dead else _but_dead(end)
    return _compared(found, expected)


def _batch(table: pd.DataFrame) -> Answer:
    """States, with learning and diverse apart."""
    middle = _states(table, kind="coupled")
    found: dict[str, str] = {}
    expected: dict[str, str] = {}
    for tokens in (64, 1024):
        states = _states(table, kind="coupled", batch=tokens)
        for dose in THREE:
            key = f"{tokens} tokens, {dose:g}"
            found |= {key: states[dose]} if dose in states and dose in middle else {}
            expected[key] = middle.get(dose, "missing")
    return _compared(found, expected)


def _losses(table: pd.DataFrame, foretell: Foretell) -> Answer:
    chosen = table[table.state == "collapsed"]
    if not len(chosen):
        return UNKNOWN, "no collapsed cell yet"
    rows = [(row, foretell(row.vocabulary, row.decay)) for row in chosen.itertuples()]
    off = [(row, loss) for row, loss in rows if abs(row.loss - loss) > NATS]
    told = ", ".join(f"{row.decay:g}: {row.loss:.2f} for {loss:.2f}" for row, loss in off)
    evidence = f"{len(off)} of {len(rows)} are further off{f' ({told})' if off else ''}"
    return (FAILED if len(off) > OUTSIDE * len(rows) else HELD), evidence


def _early(warnings: pd.DataFrame) -> Answer:
    if not len(warnings):
        return UNKNOWN, "no run to judge it by yet"
    good = warnings[(warnings.precision >= USEFUL) & (warnings.recall >= USEFUL)]
    early = good[good.step <= BY]
    told = ", ".join(f"{row.quantity} at step {row.step}" for row in early.itertuples())
    return (HELD, told) if len(early) else (FAILED, "none")
