"""The registered readings of results/PLAN.md beside the verdict: the kind of decay, quantization, the coefficient, the size."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from bitnet.arms import BROKEN, FIX
from bitnet.config import RunConfig
from bitnet.effects import Setting, paired_differences, setting
from bitnet.history import History
from bitnet.schedule import stage_boundary
from bitnet.verdict import judge

__all__ = ["RIVAL", "answers_by_size", "coefficient", "kind_of_decay", "lost_at_the_switch", "quantization", "readings"]

RIVAL = "adamw-0.0"  # the same coefficients as the fix, decoupled
FULL_PRECISION = "fp-l2-0.0"
COMPARED = {"val_loss": "held-out loss", "effective_tokens": "effective tokens", "context_information": "context (nats)"}

Reading = tuple[str, str]  # answer, reason


def readings(histories: Sequence[History], planned: Sequence[RunConfig] = ()) -> pd.DataFrame:
    """The three readings as a table: question, answer, reason."""
    rows = [
        ("Is it the kind of decay, not its coefficient?", *kind_of_decay(histories, planned)),
        ("Is quantization necessary for the collapse?", *quantization(histories, planned)),
        ("Does the coefficient of Stage 2 matter at all?", *coefficient(histories, planned)),
    ]
    return pd.DataFrame(rows, columns=["question", "answer", "reason"])


def lost_at_the_switch(history: History) -> bool:
    """Whether a run is dead or collapsed at its last evaluation in Stage 1."""
    return history.states[history.measures.step <= stage_boundary(history.config.steps)].iloc[-1] in ("dead", "collapsed")


def kind_of_decay(histories: Sequence[History], planned: Sequence[RunConfig] = ()) -> Reading:
    """The rival explanation: coupled decay loses the network in Stage 1 whatever follows, and decoupled decay does not.

    "supported" if for every size and seed both `l2` arms are lost at the switch, the rival is not, and it ends with the
    lower held-out loss than the fix; "refuted" if the rival is lost at the switch in any run; "mixed" otherwise.
    """
    rivals = _complete(histories, RIVAL)
    lost = [_where(at) for at, rival in rivals.items() if lost_at_the_switch(rival)]
    if lost:
        return "refuted", f"{RIVAL} is dead or collapsed at the end of Stage 1 at {'; '.join(lost)}"
    fixes, brokens = _complete(histories, FIX), _complete(histories, BROKEN)
    groups = sorted(set(rivals) & set(fixes) & set(brokens))
    if not groups:
        return "not known", f"no size and seed at which {BROKEN}, {FIX} and {RIVAL} are all complete"
    parts, holds = [], True
    for at in groups:
        both = lost_at_the_switch(fixes[at]) and lost_at_the_switch(brokens[at])
        mine, theirs = (float(h.measures.val_loss.iloc[-1]) for h in (rivals[at], fixes[at]))
        holds &= both and mine < theirs
        parts.append(
            f"{_where(at)}: coupled arms {'both' if both else 'not both'} lost at the switch, {RIVAL} not; "
            f"final loss {mine:.2f} against {theirs:.2f} of {FIX}"
        )
    return _so_far("supported" if holds else "mixed", groups, planned, (BROKEN, FIX, RIVAL)), "; ".join(parts)


def quantization(histories: Sequence[History], planned: Sequence[RunConfig] = ()) -> Reading:
    """Whether the collapse needs ternary weights: "no" if the full-precision control is lost at the switch in every run."""
    runs = _complete(histories, FULL_PRECISION)
    if not runs:
        return "not known", f"no complete run of {FULL_PRECISION}"
    lost = [at for at, run in runs.items() if lost_at_the_switch(run)]
    answer = "no" if len(lost) == len(runs) else "yes" if not lost else "mixed"
    reason = f"{FULL_PRECISION} is dead or collapsed at the end of Stage 1 in {len(lost)} of {len(runs)} runs"
    return _so_far(answer, list(runs), planned, (FULL_PRECISION,)), reason


def coefficient(histories: Sequence[History], planned: Sequence[RunConfig] = ()) -> Reading:
    """Whether fix and broken setting differ at the last step: "yes" if all pairs agree in sign on all measures."""
    groups = sorted(set(_complete(histories, FIX)) & set(_complete(histories, BROKEN)))
    if not groups:
        return "not known", f"no size and seed at which {BROKEN} and {FIX} are both complete"
    agree = paired_differences(histories, FIX, BROKEN, tuple(COMPARED))["same sign"].tolist()
    parts = []
    for hidden in sorted({at[0] for at in groups}):
        table = paired_differences([h for h in histories if h.config.hidden == hidden], FIX, BROKEN, tuple(COMPARED))
        parts.append(f"hidden {hidden}: {', '.join(_difference(row) for row in table.to_dict('records'))}")
    answer = "yes" if all(agree) else "no" if not any(agree) else "mixed"
    return _so_far(answer, groups, planned, (BROKEN, FIX)), f"{FIX} minus {BROKEN}, pair by pair: {'; '.join(parts)}"


def _difference(row: dict[str, Any]) -> str:
    """One row of `paired_differences` in words: each pair's difference, and what they amount to if there are several."""
    interval = f" (mean {row[f'{FIX} minus {BROKEN}']:+.3g}, 95 % interval {row['from']:+.3g} to {row['to']:+.3g})"
    return f"{COMPARED[row['measure']]} {row['each']}{interval if row['pairs'] > 1 else ''}"


def answers_by_size(histories: Sequence[History], planned: Sequence[RunConfig] = ()) -> pd.DataFrame:
    """The verdict of each hidden size by itself, and of all: hidden, answer, reason."""
    rows = []
    for hidden in sorted({h.config.hidden for h in histories} | {run.hidden for run in planned}):
        verdict = judge([h for h in histories if h.config.hidden == hidden], [run for run in planned if run.hidden == hidden])
        rows.append((str(hidden), verdict.answer, verdict.reason))
    verdict = judge(histories, planned)
    return pd.DataFrame([*rows, ("all", verdict.answer, verdict.reason)], columns=["hidden", "answer", "reason"])


def _complete(histories: Sequence[History], arm: str) -> dict[Setting, History]:
    return {setting(h.config): h for h in histories if h.complete and h.config.arm == arm}


def _where(at: Setting) -> str:
    return f"hidden {at[0]}, seed {at[2]}"


def _so_far(answer: str, groups: Sequence[Setting], planned: Sequence[RunConfig], arms: Sequence[str]) -> str:
    """The answer, with a word of caution while settings that the plan has for these arms are not there."""
    wanted = [{setting(run) for run in planned if run.arm == arm} for arm in arms]
    missing = set.intersection(*wanted) - set(groups)
    return f"{answer} so far ({len(groups)} of {len(groups) + len(missing)})" if missing else answer
