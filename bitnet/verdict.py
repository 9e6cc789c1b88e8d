"""The verdict: pure functions from histories, and what was planned, to checks and one answer with its reasons."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import pandas as pd

from bitnet.arms import BROKEN, FIX
from bitnet.config import RunConfig
from bitnet.diversity import BRIEF_PROMPTS, DIVERSE_UNIQUE_TOKENS
from bitnet.history import History
from bitnet.plan import PLAN_STEPS
from bitnet.schedule import checkpoints, stage_boundary

__all__ = ["Assessment", "Check", "Verdict", "assess", "checklist", "final_counts", "judge"]

WORKS_BAR = DIVERSE_UNIQUE_TOKENS  # the brief: "256-hidden step 20k shows >50 tokens"
FAILS_BAR = 10  # the brief: "step 20k shows <10 tokens"
LAST_QUARTER = 0.25  # of Stage 2: where diversity has to hold, so that a recovery that fades does not pass
PLAN_LENGTH = "as long as the plan"  # the one check that a shorter run fails by being short


@dataclass(frozen=True)
class Check:
    """One question put to one run: True, False, or None where the run cannot answer it."""

    name: str
    passed: bool | None
    reason: str


@dataclass(frozen=True)
class Assessment:
    """The checks of one run and what they amount to: passes, fails, open (between the bars), unfinished, invalid."""

    arm: str
    hidden: int
    seed: int
    steps: int
    outcome: str
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class Verdict:
    """The answer to the brief's question, why, and what it rests on.

    `indication` is what the same checks would have answered had these runs been as long as the plan; "inconclusive" where
    all arms of a short study fail.
    """

    answer: str
    reason: str
    indication: str
    sub_answers: tuple[tuple[str, str, str], ...]  # question, answer, reason
    brief_probe: str
    assessments: tuple[Assessment, ...]

    def to_dict(self) -> dict[str, object]:
        return asdict(self)


def assess(history: History) -> Assessment:
    """The checks of one run, and its outcome."""
    config, references = history.config, history.references
    checks = [
        Check("trained to the end", history.complete, f"status {history.status}"),
        Check(PLAN_LENGTH, config.steps >= PLAN_STEPS, f"{config.steps} of {PLAN_STEPS} steps"),
    ]
    if not history.complete:
        outcome = "fails" if history.status == "diverged" else "unfinished"
        return Assessment(config.arm, config.hidden, config.seed, config.steps, outcome, tuple(checks))
    if not history.measures.unique_tokens.between(1, references["unique_tokens_ceiling"]).all():
        checks.append(Check("the counts are possible", False, "a count of 0, or above the ceiling, is a bug and no result"))
        return Assessment(config.arm, config.hidden, config.seed, config.steps, "invalid", tuple(checks))

    last = history.rows()[-1]
    ceiling, unigram = references["unique_tokens_ceiling"], references["unigram_loss"]
    late = last_quarter(history)
    lowest, states = int(late.unique_tokens.min()), history.states[late.index]
    bad = sorted(set(states) & {"dead", "collapsed"})
    checks += [
        Check("the probe can count to the bar", bool(ceiling > WORKS_BAR), f"ceiling {ceiling:.0f}, bar {WORKS_BAR}"),
        Check("learned", bool(last["val_loss"] < unigram), f"loss {last['val_loss']:.2f}, unigram model {unigram:.2f}"),
        _against_bars("diverse at the last step", int(last["unique_tokens"]), ceiling),
        _against_bars("sustained over the last quarter of Stage 2", lowest, ceiling, "lowest of "),
        Check(
            "neither dead nor collapsed there", not bad,
            f"{' and '.join(bad)} at {int(states.isin(bad).sum())} of {len(states)} evaluations" if bad
            else f"{', '.join(sorted(set(states)))} at all {len(states)} evaluations",
        ),
    ]  # fmt: skip
    passed = [check.passed for check in checks if check.name != PLAN_LENGTH]
    outcome = "fails" if False in passed else "open" if None in passed else "passes"
    return Assessment(config.arm, config.hidden, config.seed, config.steps, outcome, tuple(checks))


def last_quarter(history: History) -> pd.DataFrame:
    """The evaluations in the last quarter of Stage 2, the last step included."""
    boundary, total = stage_boundary(history.config.steps), history.config.steps
    return history.measures[history.measures.step > total - LAST_QUARTER * (total - boundary)]


def judge(histories: Sequence[History], planned: Sequence[RunConfig] = ()) -> Verdict:
    """Does Stage-2 weight decay 0.0 cure degenerate decoding? The answer, from the runs of `l2-0.0` and their controls.

    "works" takes all of: every run of the fix complete, as long as the plan, passing every check, and the broken setting
    trained at the same size and length and failing (else nothing was cured), and no run of either that is `planned` missing.
    One failing run of full length is enough for "does not work". All else is "inconclusive".
    """
    assessments = tuple(assess(history) for history in histories)
    fix = [a for a in assessments if a.arm == FIX]
    broken = [a for a in assessments if a.arm == BROKEN]
    indication, why = _answer(fix, broken)
    answer, reason = indication, why
    short = sorted({a.steps for a in fix if a.steps < PLAN_STEPS})
    refuted = any(a.outcome == "fails" and a.steps >= PLAN_STEPS for a in fix)
    if short and not refuted and indication != "inconclusive":
        answer = "inconclusive"
        reason = f"{short[0]} of the plan's {PLAN_STEPS} steps were trained, so nothing is decided yet. {why}"
        if all(a.outcome == "fails" for a in assessments):
            indication = "inconclusive"
            reason += " So does every other arm here: at this length the checks cannot tell a failure from a beginning."
    there = {history.config for history in histories}
    missing = [run for run in planned if run.arm in (FIX, BROKEN) and run not in there]
    if missing and answer == "works":
        lacks = _label(missing[0]) + (f" and {len(missing) - 1} more" if len(missing) > 1 else "")
        answer, reason = "inconclusive", f"So far: {why} But the plan still lacks {lacks}."
    return Verdict(answer, reason, indication, _sub_answers(histories, assessments), _brief_probe(histories), assessments)


def _answer(fix: Sequence[Assessment], broken: Sequence[Assessment]) -> tuple[str, str]:
    """The answer these runs give whatever their length, and the reason."""
    if not fix:
        return "inconclusive", f"No run of {FIX}, the fix, is there."
    failing = sorted((a for a in fix if a.outcome == "fails"), key=lambda a: -a.steps)
    if failing:
        others = f" {len(fix) - len(failing)} of {len(fix)} runs of {FIX} do not fail." if len(fix) > len(failing) else ""
        return "does not work", f"{_label(failing[0])} fails on {_reasons(failing[0], False)}.{others}"
    unusable = [a for a in (*fix, *broken) if a.outcome in ("unfinished", "invalid")]
    if unusable:
        return "inconclusive", f"{_label(unusable[0])} is {unusable[0].outcome}: {_reasons(unusable[0], False)}."
    between = [a for a in fix if a.outcome == "open"]
    if between:
        return "inconclusive", f"{_label(between[0])} lies between the bars on {_reasons(between[0], None)}."
    # A shorter run of the broken setting fails the checks by being short, and shows no disease.
    treated = {(a.hidden, a.steps) for a in fix}
    if treated - {(a.hidden, a.steps) for a in broken}:
        return "inconclusive", f"{FIX} passes, but {BROKEN} was not trained beside it: a cure needs a disease."
    if not all(a.outcome == "fails" for a in broken if (a.hidden, a.steps) in treated):
        return "inconclusive", f"{FIX} passes, but {BROKEN} does not fail: there was nothing to cure."
    return "works", f"Every run of {FIX} passes every check, and {BROKEN} beside it fails."


def _sub_answers(histories: Sequence[History], assessments: Sequence[Assessment]) -> tuple[tuple[str, str, str], ...]:
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


def _stays_diverse(fix: Sequence[History]) -> tuple[str, str]:
    if not fix:
        return "not known", f"no complete run of {FIX}"
    parts, all_diverse = [], True
    for history in fix:
        after = history.measures.step > stage_boundary(history.config.steps)
        diverse = history.states[after] == "diverse"
        all_diverse &= bool(diverse.all())
        where = f"hidden {history.config.hidden}, seed {history.config.seed}"
        said = f"{where}: diverse at {int(diverse.sum())} of {len(diverse)} evaluations in Stage 2"
        misses = history.measures.step[diverse.index[~diverse]]
        if diverse.iloc[-1] and len(misses):
            said += f", at every one after step {int(misses.iloc[-1])}"
        parts.append(said)
    return "yes" if all_diverse else "no", "; ".join(parts)


def _same_at_every_size(outcomes: dict[int, set[str]]) -> tuple[str, str]:
    parts = "; ".join(f"hidden {hidden}: {', '.join(sorted(found))}" for hidden, found in sorted(outcomes.items()))
    if len(outcomes) < 2:
        return "not known", f"{parts or 'no size'}; it takes at least two sizes"
    if set.union(*outcomes.values()) & {"unfinished", "invalid"}:
        return "not known", parts
    return "yes" if len(set.union(*outcomes.values())) == 1 else "no", parts


def _more_changes(histories: Sequence[History], assessments: Sequence[Assessment]) -> tuple[str, str]:
    """Whether the fix alone is enough, and which other arm did better, each beside the fix of its own size, length and seed."""
    done = [(h, a) for h, a in zip(histories, assessments, strict=True) if h.complete]
    fix = [(h, a) for h, a in done if a.arm == FIX]
    if not fix:
        return "not known", f"no complete run of {FIX}"
    stage1 = [s for h, _ in fix for s in h.states[(h.measures.step > 1) & (h.measures.step <= stage_boundary(h.config.steps))]]
    lost = sum(s in ("dead", "collapsed") for s in stage1)
    parts = [f"Stage 1 of {FIX} is dead or collapsed at {lost} of {len(stage1)} evaluations"]
    fix_losses = {h.config: h.rows()[-1]["val_loss"] for h, _ in fix}
    lower, passes = defaultdict(list), defaultdict(list)
    for h, a in done:
        passes[a.arm if a.steps >= PLAN_STEPS else f"{a.arm} over {a.steps} steps"].append(a.outcome == "passes")
        if a.arm != FIX and (pair := replace(h.config, arm=FIX)) in fix_losses:
            lower[a.arm].append(h.rows()[-1]["val_loss"] < fix_losses[pair])
    parts.append(f"lower final held-out loss than {FIX} at the same size and seed: {_counted(lower)}")
    parts.append(f"passes every check, length aside: {_counted(passes)}")
    enough = all(a.outcome == "passes" for _, a in fix) and not lost
    return "no" if enough else "yes", "; ".join(parts)


def _counted(found: dict[str, list[bool]]) -> str:
    """The arms of which it holds at least once, with how often."""
    return ", ".join(f"{arm} ({sum(holds)} of {len(holds)})" for arm, holds in sorted(found.items()) if any(holds)) or "no arm"


def _brief_probe(histories: Sequence[History]) -> str:
    """What the brief's own probe and bars say of the fix, taken literally."""
    counts = [int(h.rows()[-1]["unique_predictions"]) for h in histories if h.config.arm == FIX and h.complete]
    if not counts:
        return f"No complete run of {FIX}."
    shown = ", ".join(map(str, counts))
    said = "does not work" if min(counts) < FAILS_BAR else "neither bar reached"
    return (
        f"{shown} of {BRIEF_PROMPTS} distinct: {said} by the brief's bars (>{WORKS_BAR} works, <{FAILS_BAR} does not). "
        f"{BRIEF_PROMPTS} prompts cannot reach {WORKS_BAR}, and of a dead network they count anything up to {BRIEF_PROMPTS}."
    )


def checklist(history: History) -> pd.DataFrame:
    """The plan's checkpoints of one run: what the brief expected there, and what was measured."""
    expected = {
        "early in Stage 1": "16-20 of 20 on the brief's probe",
        "end of Stage 1": "about 2 (collapse)",
        "after the switch": "more than 8 (recovery)",
        "middle of Stage 2": "stays up",
        "last step": f"more than {WORKS_BAR}",
    }
    ceiling = history.references["unique_tokens_ceiling"]
    rows = []
    for name, step in checkpoints(history.config.steps).items():
        row: dict[str, object] = {"checkpoint": name, "step": step, "the brief expects": expected[name]}
        if found := history.at(step):
            row |= {
                f"brief's probe (of {BRIEF_PROMPTS})": int(found["unique_predictions"]),
                f"unique tokens (of {ceiling:.0f})": int(found["unique_tokens"]),
                "held-out loss": round(found["val_loss"], 2),
            }
        row["state"] = history.states[history.measures.step == step].iloc[0] if found else "not reached"
        rows.append(row)
    return pd.DataFrame(rows)


def final_counts(histories: Sequence[History]) -> pd.DataFrame:
    """One row a run: the token counts at its last evaluation, with its loss, state and outcome."""
    rows = []
    for history in histories:
        if not history.evaluated:
            continue
        last, assessment = history.rows()[-1], assess(history)
        judged = assessment.outcome in ("passes", "fails", "open")
        rows.append({
            "arm": history.config.arm, "hidden": history.config.hidden, "seed": history.config.seed, "step": int(last["step"]),
            "brief's probe": int(last["unique_predictions"]), "unique tokens": int(last["unique_tokens"]),
            "effective tokens": round(last["effective_tokens"], 1), "top-1 share": round(last["top1_share"], 2),
            "context (nats)": round(last["context_information"], 2), "held-out loss": round(last["val_loss"], 2),
            "repeated 4-grams": round(last["seq_rep_4"], 2), "state": history.states.iloc[-1],
            "checks": assessment.outcome + (" (short)" if judged and assessment.steps < PLAN_STEPS else ""),
        })  # fmt: skip
    return pd.DataFrame(rows)


def _against_bars(name: str, count: int, ceiling: float, what: str = "") -> Check:
    """Above the upper bar, below the lower one, or neither."""
    passed = True if count > WORKS_BAR else False if count < FAILS_BAR else None
    return Check(
        name, passed, f"{what}{count} unique tokens of {ceiling:.0f} (works above {WORKS_BAR}, fails below {FAILS_BAR})"
    )


def _reasons(a: Assessment, passed: bool | None) -> str:
    """The checks of a run that came out so, with their reasons; its length is another matter."""
    return "; ".join(f"{c.name}: {c.reason}" for c in a.checks if c.passed is passed and c.name != PLAN_LENGTH)


def _label(a: Assessment | RunConfig) -> str:
    return f"{a.arm} at hidden {a.hidden}, seed {a.seed}"
