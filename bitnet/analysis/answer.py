"""The answer of a study in words, and how it stands beside the registered full runs."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from bitnet.analysis.assessment import collapsed_by_the_switch, state_at_switch
from bitnet.analysis.phenomena import DECOUPLED, DOWN, agreement
from bitnet.analysis.results import RESULTS, load_plan, survey
from bitnet.analysis.verdict import Verdict, judge
from bitnet.arms import BROKEN, FIX
from bitnet.committed import committed
from bitnet.runs.history import History
from bitnet.scales import FULL, Scale, full_length, scale_of
from bitnet.schedule import stage_boundary

__all__ = ["Comparison", "beside_full", "compare", "in_words", "registered", "size_in_words"]


@dataclass(frozen=True)
class Comparison:
    """A study beside the registered full runs: their answer, and what is alike and what is not.

    `alike` and `unlike` are lines; a question that either side leaves open is in neither.
    """

    answer: str
    alike: tuple[str, ...]
    unlike: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        return asdict(self)


def in_words(histories: Sequence[History], verdict: Verdict) -> str:
    """One sentence: the answer at this size, and what the arms did that it rests on."""
    done = [history for history in histories if history.complete]
    arms = {arm: [h for h in done if h.config.arm == arm] for arm in (FIX, BROKEN, DECOUPLED)}
    told = [_fix(arms[FIX]), _broken(arms[BROKEN]), _decoupled(arms[DECOUPLED])]
    said = ", ".join(text for text in told if text)
    return f"{verdict.answer} here ({size_in_words(histories)}): {said or verdict.reason}"


def beside_full(histories: Sequence[History], verdict: Verdict) -> Comparison | None:
    """A study beside the registered full runs, or None where there are none."""
    if not RESULTS.is_dir():
        return None
    return compare(histories, verdict, *registered())


def registered(scale: Scale = FULL) -> tuple[list[History], Verdict]:
    """The committed full-length runs of a scale's registered plan, and the verdict on them.

    Raises: `HistoryError` where there are none.
    """
    plan = load_plan(scale=scale)
    found = survey(plan, committed(scale.results))[0]
    runs = [history for history in found if full_length(history.config)]
    return runs, judge(runs, plan.runs)


def compare(
    histories: Sequence[History], verdict: Verdict, full: Sequence[History], other: Verdict
) -> Comparison:
    """A study and its verdict beside the `full` runs and the verdict on them.

    Runs that are shorter than the plan of their scale are not compared: they show a beginning.
    """
    if not all(full_length(history.config) for history in histories):
        return Comparison(in_words(full, other), (), ())
    table = agreement({"here": histories, "there": full})
    pairs = [("does the fix work", verdict.answer, other.answer)]
    pairs += [
        (question.rstrip("?").lower(), mine, theirs)
        for (question, mine, _), (_, theirs, _) in zip(
            verdict.sub_answers, other.sub_answers, strict=True
        )
    ]
    pairs += [(row.phenomenon, row.here, row.there) for row in table.itertuples()]
    known = [pair for pair in pairs if "not known" not in pair and "inconclusive" not in pair]
    return Comparison(
        in_words(full, other),
        tuple(f"{name}: {mine}" for name, mine, theirs in known if mine == theirs),
        tuple(
            f"{name}: {mine} here, {theirs} there" for name, mine, theirs in known if mine != theirs
        ),
    )


def size_in_words(histories: Sequence[History]) -> str:
    """The scale and the sizes of the runs, each value once."""
    configs = [history.config for history in histories]
    scale = scale_of(configs[0])
    hidden = " and ".join(map(str, sorted({c.hidden for c in configs})))
    steps = " and ".join(map(str, sorted({c.steps for c in configs})))
    vocabulary = " and ".join(map(str, sorted({c.vocabulary for c in configs})))
    name = f"{scale.name}: " if scale else ""
    return f"{name}hidden {hidden}, {vocabulary} tokens, {steps} steps"


def _at_switch(history: History) -> str:
    """How a run stands at the end of Stage 1, with the figure that shows it."""
    stage1 = history.measures.step <= stage_boundary(history.config.steps)
    state, row = state_at_switch(history), history.measures[stage1].iloc[-1]
    if state == "dead":
        loss, vocabulary = f"{row.val_loss:.2f}", history.config.vocabulary
        uniform = f"{math.log(vocabulary):.2f}"
        same = f"{loss} = ln {vocabulary}"
        return f"dead ({same if loss == uniform else f'{loss}; ln {vocabulary} = {uniform}'})"
    tokens = int(row.unique_tokens)
    return f"{state} ({tokens} distinct token{'s' * (tokens != 1)})"


def _range(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return str(low) if low == high else f"{low} to {high}"


def _ends(runs: Sequence[History]) -> str:
    tokens = _range([int(h.measures.unique_tokens.iloc[-1]) for h in runs])
    return (
        f"{' or '.join(dict.fromkeys(h.states.iloc[-1] for h in runs))}, {tokens} distinct tokens"
    )


def _fix(runs: Sequence[History]) -> str:
    if not runs:
        return ""
    began = " or ".join(dict.fromkeys(_at_switch(h) for h in runs))
    if not all(collapsed_by_the_switch(h) for h in runs):
        return f"the fix was {began} at the switch and ended {_ends(runs)}"
    if any(h.states.iloc[-1] in DOWN for h in runs):
        return f"the fix was {began} at the switch and ended {_ends(runs)}"
    tokens = _range([int(h.measures.unique_tokens.iloc[-1]) for h in runs])
    return f"the fix came back from {began} to {tokens} distinct tokens"


def _broken(runs: Sequence[History]) -> str:
    if not runs:
        return ""
    states = {
        state for h in runs for state in h.states[h.measures.step > stage_boundary(h.config.steps)]
    }
    if states <= set(DOWN):
        return f"the broken setting stayed {' or '.join(sorted(states))}"
    return f"the broken setting ended {_ends(runs)}"


def _decoupled(runs: Sequence[History]) -> str:
    if not runs:
        return ""
    down = [h for h in runs if set(h.states[h.measures.step > 1]) & set(DOWN)]
    if down:
        often = f" in {len(down)} of {len(runs)} runs" if len(runs) > 1 else ""
        return f"{DECOUPLED} was dead or collapsed at times{often}"
    return f"{DECOUPLED} was never down and ended with {_ends(runs).partition(', ')[2]}"
