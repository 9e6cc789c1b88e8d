"""The phenomena of the collapse, one by one: what runs show of each, and where two scales agree."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from bitnet.analysis.assessment import collapsed_by_the_switch
from bitnet.analysis.hypotheses import FULL_PRECISION
from bitnet.analysis.hypotheses import RIVAL as DECOUPLED
from bitnet.arms import BROKEN, FIX
from bitnet.evaluation.diversity import DOWN
from bitnet.runs.history import History, HistoryError
from bitnet.schedule import stage_boundary

__all__ = ["DECISIVE", "DECOUPLED", "DOWN", "Phenomenon", "agreement", "held", "phenomena"]

HEALTHY_PROBE = 16  # of 20: the least that the brief calls healthy early in Stage 1
SHRUNKEN = 0.1  # of the first mean |W|: a group with less by the switch is called shrunken
GROUPS = {"embedding": "embedding", "head": "head", "ternary": "blocks", "norm": "norms"}
REPEATS = 0.5  # of greedy 4-grams: a model with more is said to repeat itself


# Those that ask yes or no about the question itself: by them a smaller model is called faithful.
DECISIVE = (
    "coupled decay kills the network in Stage 1",
    "the 20-prompt probe calls that dead network healthy",
    "coupled decay is dead or collapsed at the switch",
    f"{FIX}, the fix, comes back after the switch",
    f"{FIX} is diverse at the last step",
    f"{BROKEN}, the broken setting, stays down",
    "full precision is down at the switch too",
    "full precision comes back too",
    f"{DECOUPLED} is never down",
)


@dataclass(frozen=True)
class Phenomenon:
    """What runs show of one phenomenon: an answer in a word or two, and what it rests on.

    `answer` is "not known" where an arm that it takes is missing; "2 of 3" where runs differ.
    """

    name: str
    answer: str
    evidence: str


def phenomena(histories: Sequence[History]) -> list[Phenomenon]:
    """What complete runs of one size and length show, phenomenon by phenomenon.

    The runs may be of several seeds and orders; each phenomenon is looked for in every one.

    Raises: `HistoryError` for one that was not evaluated in Stage 1 after its first update.
    """
    done = [history for history in histories if history.complete]
    names = (FIX, BROKEN, DECOUPLED, FULL_PRECISION)
    arms = {arm: [h for h in done if h.config.arm == arm] for arm in names}
    coupled = arms[FIX] + arms[BROKEN]  # alike to the switch
    asked: list[tuple[str, Sequence[History], Callable[[History], tuple[bool | str, str]]]] = [
        ("coupled decay kills the network in Stage 1", coupled, _dead_in_stage1),
        ("the 20-prompt probe calls that dead network healthy", coupled, _probe_when_dead),
        ("coupled decay is dead or collapsed at the switch", coupled, _down_at_switch),
        ("which of both it is at the switch", coupled, _state_at_switch),
        ("the groups of weights that have shrunk by then", coupled, _shrunken_groups),
        (f"{FIX}, the fix, comes back after the switch", arms[FIX], _comes_back),
        (f"{FIX} is diverse at the last step", arms[FIX], _diverse_at_the_end),
        (f"{BROKEN}, the broken setting, stays down", arms[BROKEN], _stays_down),
        ("full precision is down at the switch too", arms[FULL_PRECISION], _down_at_switch),
        ("full precision comes back too", arms[FULL_PRECISION], _comes_back),
        (f"{DECOUPLED} is never down", arms[DECOUPLED], _never_down),
        (f"{FIX} repeats half of its greedy 4-grams at the end", arms[FIX], _repeats),
    ]
    found = [_of_all(name, runs, look) for name, runs, look in asked]
    orders = (
        ("the order of the final losses, best first", (DECOUPLED, FIX, BROKEN)),
        ("the same of the fix and its control", (FULL_PRECISION, FIX)),
    )
    return [*found, *(_order(name, {arm: arms[arm] for arm in of}) for name, of in orders)]


def held(histories: Sequence[History], predictions: Mapping[str, str]) -> pd.DataFrame:
    """Predictions about phenomena, by their names: a table of prediction, held, evidence.

    Raises: `KeyError` for a name that is not among the phenomena.
    """
    found = {p.name: p for p in phenomena(histories)}
    rows = []
    for name, answer in predictions.items():
        seen = found[name]
        same = "yes" if answer == seen.answer else "no"
        word = "not known" if seen.answer == "not known" else same
        rows.append((f"{name}: {answer}", word, f"{seen.answer} ({seen.evidence})"))
    return pd.DataFrame(rows, columns=["prediction", "held", "evidence"])


def agreement(sizes: Mapping[str, Sequence[History]]) -> pd.DataFrame:
    """Phenomenon by phenomenon, the answer at each named size, and whether all of them agree.

    Columns: phenomenon, one a size, "agree" (yes, no, or not known where one is missing).
    """
    found = {name: phenomena(histories) for name, histories in sizes.items()}
    rows = []
    for same in zip(*found.values(), strict=True):
        answers = [p.answer for p in same]
        agree = "yes" if len(set(answers)) == 1 else "no"
        rows.append((same[0].name, *answers, "not known" if "not known" in answers else agree))
    return pd.DataFrame(rows, columns=["phenomenon", *found, "agree"])


def _of_all(
    name: str, runs: Sequence[History], look: Callable[[History], tuple[bool | str, str]]
) -> Phenomenon:
    """One phenomenon in every run; how many runs show it where they differ."""
    if not runs:
        return Phenomenon(name, "not known", "an arm is missing")
    seen = [look(run) for run in runs]
    configs = [run.config for run in runs]
    evidence = "; ".join(
        f"{config.label(configs)}: {text}" for config, (_, text) in zip(configs, seen, strict=True)
    )
    answers = [answer for answer, _ in seen]
    if all(isinstance(answer, bool) for answer in answers):
        count = sum(map(bool, answers))
        every = {0: "no", len(runs): "yes"}
        return Phenomenon(name, every.get(count, f"{count} of {len(runs)}"), evidence)
    return Phenomenon(name, " or ".join(sorted(set(map(str, answers)))), evidence)


def _stage1(history: History) -> pd.DataFrame:
    """The evaluations of Stage 1 with their states, but for that of the first update."""
    measures = history.measures.assign(state=history.states)
    switch = stage_boundary(history.config.steps)
    found = measures[(measures.step > 1) & (measures.step <= switch)]
    if not len(found):
        raise HistoryError(f"{history.config.label()}: was not evaluated before the switch")
    return found


def _stage2(history: History) -> pd.DataFrame:
    """The evaluations of Stage 2 with their states."""
    measures = history.measures.assign(state=history.states)
    return measures[measures.step > stage_boundary(history.config.steps)]


def _dead_in_stage1(history: History) -> tuple[bool, str]:
    seen = _stage1(history)
    dead = seen[seen.state == "dead"]
    return bool(len(dead)), f"dead at {len(dead)} of {len(seen)} evaluations"


def _probe_when_dead(history: History) -> tuple[bool, str]:
    seen = _stage1(history)
    dead = seen[seen.state == "dead"].unique_predictions
    if not len(dead):
        return False, "never dead"
    highest = int(dead.max())
    return highest >= HEALTHY_PROBE, f"{int(dead.min())} to {highest} of 20 while dead"


def _down_at_switch(history: History) -> tuple[bool, str]:
    return collapsed_by_the_switch(history), _stage1(history).state.iloc[-1]


def _state_at_switch(history: History) -> tuple[str, str]:
    last = _stage1(history).iloc[-1]
    return last.state, f"{int(last.unique_tokens)} distinct tokens, loss {last.val_loss:.2f}"


def _shrunken_groups(history: History) -> tuple[str, str]:
    switch = stage_boundary(history.config.steps)
    health = history.health[history.health.step <= switch]
    left = {
        word: float(health[f"mean_abs.{group}"].iloc[-1] / health[f"mean_abs.{group}"].iloc[0])
        for group, word in GROUPS.items()
    }
    shrunken = [word for word, share in left.items() if share < SHRUNKEN]
    shares = ", ".join(f"{word} {share:.1%}" for word, share in left.items())
    return ", ".join(shrunken) or "none", f"left of the mean |W|: {shares}"


def _comes_back(history: History) -> tuple[bool, str]:
    seen, switch = _stage2(history), stage_boundary(history.config.steps)
    up = seen[~seen.state.isin(DOWN)]
    if not len(up) or seen.state.iloc[-1] in DOWN:
        return False, f"{seen.state.iloc[-1]} at the last step"
    return True, f"{int(up.step.iloc[0]) - switch} steps after the switch"


def _diverse_at_the_end(history: History) -> tuple[bool, str]:
    last = _stage2(history).iloc[-1]
    return last.state == "diverse", f"{last.state}, {int(last.unique_tokens)} distinct tokens"


def _stays_down(history: History) -> tuple[bool, str]:
    seen = _stage2(history)
    down = int(seen.state.isin(DOWN).sum())
    return down == len(seen), f"down at {down} of {len(seen)} evaluations of Stage 2"


def _never_down(history: History) -> tuple[bool, str]:
    seen = pd.concat([_stage1(history), _stage2(history)])
    down = seen[seen.state.isin(DOWN)]
    steps = ", ".join(f"step {int(row.step)}, {row.state}" for row in down.itertuples())
    where = f" ({steps})" if steps else ""
    return not len(down), f"down at {len(down)} of {len(seen)} evaluations{where}"


def _repeats(history: History) -> tuple[bool, str]:
    share = float(history.measures.seq_rep_4.iloc[-1])
    return share > REPEATS, f"{share:.0%}"


def _order(name: str, arms: dict[str, list[History]]) -> Phenomenon:
    """The arms from best to worst by their mean held-out loss at the last step."""
    if not all(arms.values()):
        return Phenomenon(name, "not known", "an arm is missing")
    means = {
        arm: sum(float(h.measures.val_loss.iloc[-1]) for h in runs) / len(runs)
        for arm, runs in arms.items()
    }
    order = sorted(means, key=lambda arm: means[arm])
    losses = ", ".join(f"{arm} {means[arm]:.3f}" for arm in order)
    return Phenomenon(name, " < ".join(order), losses)
