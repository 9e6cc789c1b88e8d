"""The verdict: a pure function from histories, and what was planned, to one answer with reasons."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from bitnet import checks
from bitnet.analysis.assessment import (
    FAILS_BAR,
    NO_PLAN,
    PLAN_LENGTH,
    WORKS_BAR,
    Assessment,
    assess,
)
from bitnet.arms import BROKEN, FIX
from bitnet.config import RunConfig
from bitnet.evaluation.diversity import DOWN, PROMPTS
from bitnet.runs.history import History
from bitnet.scales import SCALES
from bitnet.schedule import stage_boundary

__all__ = ["Verdict", "judge"]

Answer = tuple[str, str]  # an answer and its reason


@dataclass(frozen=True)
class Verdict:
    """The answer to the brief's question, why, and what it rests on.

    `scale` is that of the runs ("full", "miniature", "none"; several with commas between them): an
    answer holds for it alone. `indication` is what the same checks would have answered had these
    runs been as long as the plan; "inconclusive" where all arms of a short study fail.
    `sub_answers` are (question, answer, reason); `prompt_probe` is what the 20-prompt probe says.
    """

    answer: str
    reason: str
    scale: str
    indication: str
    sub_answers: tuple[tuple[str, str, str], ...]
    prompt_probe: str
    assessments: tuple[Assessment, ...]

    def to_dict(self) -> dict[str, object]:
        return asdict(self)


def judge(histories: Sequence[History], planned: Sequence[RunConfig] = ()) -> Verdict:
    """Does Stage-2 weight decay 0.0 cure degenerate decoding? The answer of these runs.

    "works" takes all of: every run of the fix complete, as long as the plan, passing every check,
    and the broken setting trained at the same size and length and failing (else nothing was cured),
    and no run of either that is `planned` missing. One failing run of full length is enough for
    "does not work". All else is "inconclusive".
    """
    checks.instances("histories", histories, History, "History.load")
    assessments = tuple(assess(history) for history in histories)
    fix = [a for a in assessments if a.arm == FIX]
    broken = [a for a in assessments if a.arm == BROKEN]
    indication, why = _answer(fix, broken)
    answer, reason = indication, why
    short = sorted((a for a in fix if not a.full_length), key=lambda a: a.steps)
    refuted = any(a.outcome == "fails" and a.full_length for a in fix)
    if short and not refuted and indication != "inconclusive":
        answer = "inconclusive"
        reason = f"{_how_short(short[0])}, so nothing is decided yet. {why}"
        if all(a.outcome == "fails" for a in assessments):
            indication = "inconclusive"
            reason += (
                " So does every other arm here: at this length the checks cannot tell a failure "
                "from a beginning."
            )
    there = {history.config for history in histories}
    missing = [run for run in planned if run.arm in (FIX, BROKEN) and run not in there]
    if missing and answer == "works":
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        lacks = missing[0].label() + more
        answer, reason = "inconclusive", f"So far: {why} But the plan still lacks {lacks}."
    sub_answers = _sub_answers(histories, assessments)
    scale = ", ".join(dict.fromkeys(a.scale for a in assessments))
    return Verdict(
        answer, reason, scale, indication, sub_answers, _prompt_probe(histories), assessments
    )


def _how_short(a: Assessment) -> str:
    if a.scale not in SCALES:
        return NO_PLAN[0].upper() + NO_PLAN[1:]
    return f"{a.steps} of the plan's {SCALES[a.scale].steps} steps were trained"


def _answer(fix: Sequence[Assessment], broken: Sequence[Assessment]) -> Answer:
    """The answer these runs give whatever their length, and the reason."""
    if not fix:
        return "inconclusive", f"No run of {FIX}, the fix, is there."
    failing = sorted((a for a in fix if a.outcome == "fails"), key=lambda a: -a.steps)
    if failing:
        well = len(fix) - len(failing)
        others = f" {well} of {len(fix)} runs of {FIX} do not fail." if well else ""
        first = failing[0]
        return "does not work", f"{first.label} fails on {_reasons(first, False)}.{others}"
    unusable = [a for a in (*fix, *broken) if a.outcome in ("unfinished", "invalid")]
    if unusable:
        first = unusable[0]
        return "inconclusive", f"{first.label} is {first.outcome}: {_reasons(first, False)}."
    between = [a for a in fix if a.outcome == "open"]
    if between:
        first = between[0]
        return "inconclusive", f"{first.label} lies between the bars on {_reasons(first, None)}."
    # A shorter run of the broken setting fails the checks by being short, and shows no disease.
    treated = {_size(a) for a in fix}
    if treated - {_size(a) for a in broken}:
        lacks = f"{BROKEN} was not trained beside it: a cure needs a disease."
        return "inconclusive", f"{FIX} passes, but {lacks}"
    if not all(a.outcome == "fails" for a in broken if _size(a) in treated):
        lacks = f"{BROKEN} does not fail: there was nothing to cure."
        return "inconclusive", f"{FIX} passes, but {lacks}"
    return "works", f"Every run of {FIX} passes every check, and {BROKEN} beside it fails."


def _size(a: Assessment) -> tuple[str, int, int, int]:
    """What the runs of the fix and of the broken setting have to share."""
    return a.scale, a.vocabulary, a.hidden, a.steps


def _sub_answers(
    histories: Sequence[History], assessments: Sequence[Assessment]
) -> tuple[tuple[str, str, str], ...]:
    """The brief's three sub-questions, with answer and reason."""
    fix = [h for h in histories if h.config.arm == FIX and h.complete]
    outcomes: dict[int, set[str]] = defaultdict(set)
    for a in assessments:
        if a.arm == FIX:
            outcomes[a.hidden].add(a.outcome)
    return (
        ("Does it stay diverse through the whole of Stage 2?", *_stays_diverse(fix)),
        ("Is it the same at every size?", *_same_at_every_size(outcomes)),
        ("Are more changes needed?", *_more_changes(histories, assessments)),
    )


def _stays_diverse(fix: Sequence[History]) -> Answer:
    if not fix:
        return "not known", f"no complete run of {FIX}"
    parts, all_diverse = [], True
    for history in fix:
        after = history.measures.step > stage_boundary(history.config.steps)
        diverse = history.states[after] == "diverse"
        all_diverse &= bool(diverse.all())
        where = history.config.label([other.config for other in fix])
        seen = f"diverse at {int(diverse.sum())} of {len(diverse)} evaluations in Stage 2"
        misses = history.measures.step[diverse.index[~diverse]]
        if diverse.iloc[-1] and len(misses):
            seen += f", at every one after step {int(misses.iloc[-1])}"
        parts.append(f"{where}: {seen}")
    return "yes" if all_diverse else "no", "; ".join(parts)


def _same_at_every_size(outcomes: dict[int, set[str]]) -> Answer:
    found = (f"hidden {size}: {', '.join(sorted(seen))}" for size, seen in sorted(outcomes.items()))
    parts = "; ".join(found)
    if len(outcomes) < 2:
        return "not known", f"{parts or 'no size'}; it takes at least two sizes"
    if set.union(*outcomes.values()) & {"unfinished", "invalid"}:
        return "not known", parts
    return "yes" if len(set.union(*outcomes.values())) == 1 else "no", parts


def _more_changes(histories: Sequence[History], assessments: Sequence[Assessment]) -> Answer:
    """Whether the fix alone is enough, and which other arm did better.

    Each is compared with the fix of its own size, length and seed.
    """
    done = [(h, a) for h, a in zip(histories, assessments, strict=True) if h.complete]
    fix = [(h, a) for h, a in done if a.arm == FIX]
    if not fix:
        return "not known", f"no complete run of {FIX}"
    stage1 = [state for h, _ in fix for state in _states_of_stage1(h)]
    bad = sum(state in DOWN for state in stage1)
    losses = {h.config: h.rows()[-1]["val_loss"] for h, _ in fix}
    lower, passes = defaultdict(list), defaultdict(list)
    for h, a in done:
        name = a.arm if a.full_length else f"{a.arm} over {a.steps} steps"
        passes[name].append(a.outcome == "passes")
        if a.arm != FIX and (pair := replace(h.config, arm=FIX)) in losses:
            lower[a.arm].append(h.rows()[-1]["val_loss"] < losses[pair])
    parts = (
        f"Stage 1 of {FIX} is dead or collapsed at {bad} of {len(stage1)} evaluations",
        f"lower final held-out loss than {FIX} at the same size and seed: {_counted(lower)}",
        f"passes every check, length aside: {_counted(passes)}",
    )
    enough = all(a.outcome == "passes" for _, a in fix) and not bad
    return "no" if enough else "yes", "; ".join(parts)


def _states_of_stage1(history: History) -> list[str]:
    """The states at the evaluations of Stage 1, but for that of the first update."""
    steps = history.measures.step
    return history.states[(steps > 1) & (steps <= stage_boundary(history.config.steps))].tolist()


def _counted(found: dict[str, list[bool]]) -> str:
    """The arms of which it holds at least once, with how often."""
    often = (
        f"{arm} ({sum(holds)} of {len(holds)})"
        for arm, holds in sorted(found.items())
        if any(holds)
    )
    return ", ".join(often) or "no arm"


def _prompt_probe(histories: Sequence[History]) -> str:
    """What the published 20-prompt probe and the brief's bars say of the fix, taken literally."""
    fix = [h for h in histories if h.config.arm == FIX and h.complete]
    counts = [int(h.rows()[-1]["unique_predictions"]) for h in fix]
    if not counts:
        return f"No complete run of {FIX}."
    shown = ", ".join(map(str, counts))
    answer = "does not work" if min(counts) < FAILS_BAR else "neither bar reached"
    return (
        f"{shown} of {PROMPTS} distinct: {answer} by the brief's bars (>{WORKS_BAR} works, "
        f"<{FAILS_BAR} does not). {PROMPTS} prompts cannot reach {WORKS_BAR}, and of a dead "
        f"network they count anything up to {PROMPTS}."
    )


def _reasons(a: Assessment, passed: bool | None) -> str:
    """The checks of a run that came out so, with their reasons; its length is another matter."""
    chosen = [c for c in a.checks if c.passed is passed and c.name != PLAN_LENGTH]
    return "; ".join(f"{c.name}: {c.reason}" for c in chosen)
