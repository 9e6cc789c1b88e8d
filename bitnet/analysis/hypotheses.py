"""The registered hypotheses beside the verdict: kind of decay, quantization, coefficient, size."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from bitnet.analysis.assessment import collapsed_by_the_switch
from bitnet.analysis.statistics import Setting, paired_differences, setting
from bitnet.analysis.verdict import judge
from bitnet.arms import BROKEN, FIX
from bitnet.config import RunConfig
from bitnet.evaluation.measures import MEASURES
from bitnet.runs.history import History

__all__ = [
    "FULL_PRECISION", "RIVAL", "answers_by_size", "coefficient", "hypotheses", "kind_of_decay",
    "quantization",
]  # fmt: skip

RIVAL = "adamw-0.0"  # the same coefficients as the fix, decoupled
FULL_PRECISION = "fp-l2-0.0"
COMPARED = ("val_loss", "effective_tokens", "context_information")

Answer = tuple[str, str]  # an answer and its reason


def hypotheses(histories: Sequence[History], planned: Sequence[RunConfig] = ()) -> pd.DataFrame:
    """The three registered readings of results/PLAN.md as a table: question, answer, reason."""
    rows = [
        ("Is it the kind of decay, not its coefficient?", *kind_of_decay(histories, planned)),
        ("Is quantization necessary for the collapse?", *quantization(histories, planned)),
        ("Does the coefficient of Stage 2 matter at all?", *coefficient(histories, planned)),
    ]
    return pd.DataFrame(rows, columns=["question", "answer", "reason"])


def kind_of_decay(histories: Sequence[History], planned: Sequence[RunConfig] = ()) -> Answer:
    """The rival: coupled decay collapses Stage 1 whatever follows, decoupled decay does not.

    "supported" if for every size and seed both `l2` arms have collapsed by the switch, the rival
    has not, and it ends with the lower held-out loss than the fix; "refuted" if the rival has
    collapsed by the switch in any run; "mixed" otherwise.
    """
    rivals = _complete(histories, RIVAL)
    among = [rival.config for rival in rivals.values()]
    collapsed = [
        rival.config.label(among) for rival in rivals.values() if collapsed_by_the_switch(rival)
    ]
    if collapsed:
        where = "; ".join(collapsed)
        return "refuted", f"dead or collapsed at the end of Stage 1: {where}"
    fixes, brokens = _complete(histories, FIX), _complete(histories, BROKEN)
    groups = sorted(set(rivals) & set(fixes) & set(brokens))
    if not groups:
        all_three = f"{BROKEN}, {FIX} and {RIVAL} are all complete"
        return "not known", f"no size and seed at which {all_three}"
    parts, holds = [], True
    for at in groups:
        both = collapsed_by_the_switch(fixes[at]) and collapsed_by_the_switch(brokens[at])
        mine, theirs = (float(h.measures.val_loss.iloc[-1]) for h in (rivals[at], fixes[at]))
        holds &= both and mine < theirs
        how = "both" if both else "not both"
        parts.append(
            f"{rivals[at].config.label(among)}: not collapsed by the end of Stage 1, the coupled "
            f"arms beside it {how}; "
            f"final loss {mine:.2f} against {theirs:.2f} of {FIX}"
        )
    answer = _so_far("supported" if holds else "mixed", groups, planned, (BROKEN, FIX, RIVAL))
    return answer, "; ".join(parts)


def quantization(histories: Sequence[History], planned: Sequence[RunConfig] = ()) -> Answer:
    """Whether the collapse needs ternary weights.

    "no" if the full-precision control has collapsed by the switch in every run.
    """
    runs = _complete(histories, FULL_PRECISION)
    if not runs:
        return "not known", f"no complete run of {FULL_PRECISION}"
    collapsed = [at for at, run in runs.items() if collapsed_by_the_switch(run)]
    answer = "no" if len(collapsed) == len(runs) else "yes" if not collapsed else "mixed"
    often = f"in {len(collapsed)} of {len(runs)} runs"
    reason = f"{FULL_PRECISION} is dead or collapsed at the end of Stage 1 {often}"
    return _so_far(answer, list(runs), planned, (FULL_PRECISION,)), reason


def coefficient(histories: Sequence[History], planned: Sequence[RunConfig] = ()) -> Answer:
    """Whether fix and broken setting differ at the last step.

    "yes" if all pairs agree in sign on all measures.
    """
    groups = sorted(set(_complete(histories, FIX)) & set(_complete(histories, BROKEN)))
    if not groups:
        return "not known", f"no size and seed at which {BROKEN} and {FIX} are both complete"
    agree = paired_differences(histories, FIX, BROKEN, COMPARED)["same sign"].tolist()
    parts = []
    for hidden in sorted({at[0] for at in groups}):
        of_size = [h for h in histories if h.config.hidden == hidden]
        rows = paired_differences(of_size, FIX, BROKEN, COMPARED).to_dict("records")
        parts.append(f"hidden {hidden}: {', '.join(map(_difference, rows))}")
    answer = "yes" if all(agree) else "no" if not any(agree) else "mixed"
    reason = f"{FIX} minus {BROKEN}, pair by pair: {'; '.join(parts)}"
    return _so_far(answer, groups, planned, (BROKEN, FIX)), reason


def _difference(row: dict[str, Any]) -> str:
    """One row of `paired_differences` in words: each pair's, and the interval if several."""
    name, mean = MEASURES[row["measure"]].column, row[f"{FIX} minus {BROKEN}"]
    interval = f" (mean {mean:+.3g}, 95 % interval {row['from']:+.3g} to {row['to']:+.3g})"
    return f"{name} {row['each']}{interval if row['pairs'] > 1 else ''}"


def answers_by_size(
    histories: Sequence[History], planned: Sequence[RunConfig] = ()
) -> pd.DataFrame:
    """The verdict of each hidden size by itself, and of all: hidden, answer, reason."""
    rows = []
    for hidden in sorted({h.config.hidden for h in histories} | {run.hidden for run in planned}):
        of_size = [h for h in histories if h.config.hidden == hidden]
        verdict = judge(of_size, [run for run in planned if run.hidden == hidden])
        rows.append((str(hidden), verdict.answer, verdict.reason))
    verdict = judge(histories, planned)
    rows.append(("all", verdict.answer, verdict.reason))
    return pd.DataFrame(rows, columns=["hidden", "answer", "reason"])


def _complete(histories: Sequence[History], arm: str) -> dict[Setting, History]:
    return {setting(h.config): h for h in histories if h.complete and h.config.arm == arm}


def _so_far(
    answer: str, groups: Sequence[Setting], planned: Sequence[RunConfig], arms: Sequence[str]
) -> str:
    """The answer, and how many of the planned settings it rests on while some are not there."""
    wanted = [{setting(run) for run in planned if run.arm == arm} for arm in arms]
    missing = set.intersection(*wanted) - set(groups)
    count = f"({len(groups)} of {len(groups) + len(missing)})"
    return f"{answer} so far {count}" if missing else answer
