"""The story of the committed runs: one page that is scrolled through, step by step of training."""

import math
from collections.abc import Sequence
from typing import Any

from bitnet.analysis.hypotheses import RIVAL
from bitnet.arms import BROKEN, FIX
from bitnet.display.charts import Chart, Level, Line
from bitnet.display.facts import Facts
from bitnet.display.groups import together
from bitnet.display.pages import player, render
from bitnet.display.theme import colour
from bitnet.display.training_charts import measure_chart, switches
from bitnet.evaluation.diversity import STATES
from bitnet.runs.history import History

__all__ = ["story_page"]

_WEIGHTS = {
    "ternary": "weights of the blocks",
    "head": "weights of the head",
    "norm": "gains of the norms",
    "embedding": "weights of the embedding",
}


def story_page(histories: Sequence[History]) -> str:
    """The page as HTML, self-contained. Every number in it is computed from these runs."""
    facts = Facts(histories)
    three = [facts.of[arm] for arm in (BROKEN, FIX, RIVAL)]
    data = player(three)
    return render(
        "story.html.j2",
        data=data, facts=facts, broken=BROKEN, fix=FIX, rival=RIVAL, chapters=_chapters(facts),
        multiples=_multiples(facts), probe=_probe_against_loss(facts.histories),
        weights=[_weights(three, group) for group in ("ternary", "head")], groups=_WEIGHTS,
    )  # fmt: skip


def _chapters(facts: Facts) -> list[dict[str, Any]]:
    """The steps at which the story stops to tell something, and how many evaluations lie between.

    In the order of the texts in the template.
    """
    at, collapse = facts.at, facts.collapse(FIX)
    steps = [
        1, at["early in Stage 1"], collapse, at["end of Stage 1"], at["after the switch"],
        at["middle of Stage 2"], at["last step"],
    ]  # fmt: skip
    evaluated = facts.of[FIX].measures.step.tolist()
    places = [evaluated.index(step) for step in steps]
    gaps = [b - a for a, b in zip(places, [*places[1:], places[-1]], strict=True)]
    return [
        {"step": step, "index": place, "gap": gap}
        for step, place, gap in zip(steps, places, gaps, strict=True)
    ]


def _multiples(facts: Facts) -> list[Chart]:
    """Distinct tokens of every full run, one small chart an arm and size, on common axes."""
    highest = max(float(h.measures.unique_tokens.max()) for h in facts.full)
    rank = {BROKEN: 0, FIX: 1, RIVAL: 2}
    runs = sorted(facts.full, key=lambda h: (h.config.hidden, rank.get(h.config.arm, len(rank))))
    return [
        measure_chart(group, "unique_tokens", name, log=True, low=1, high=highest)
        for name, group in together(runs).items()
    ]


def _probe_against_loss(histories: Sequence[History]) -> Chart:
    """Every evaluation after the first update: held-out loss, and what the probe counts."""
    points: dict[str, list[tuple[float, float]]] = {state: [] for state in STATES}
    for history in histories:
        for row, state in list(zip(history.rows(), history.states, strict=True))[1:]:
            points[state].append((round(row["val_loss"], 3), row["unique_predictions"]))
    lines = [Line(state, f"var(--{state})", points[state], dots=True, width=8) for state in STATES]
    left = math.floor(min(x for line in lines for x, _ in line.points))
    uniform = histories[0].references["ln_vocabulary"]
    title = "20-prompt probe (up) against held-out loss (across, in nats a token)"
    return Chart(
        title, lines, [Level(20, "ceiling of the probe")], [(uniform, "uniform prediction")],
        low=0, left=left, labels_left=True,
    )  # fmt: skip


def _weights(histories: Sequence[History], group: str) -> Chart:
    """The mean size of a group of weights over training, log scale."""
    lines = []
    for history in histories:
        health = history.health
        sizes = zip(health.step, health[f"mean_abs.{group}"], strict=True)
        points = [(int(step), float(f"{size:.4g}")) for step, size in sizes]
        arm = history.config.arm
        lines.append(Line(arm, colour(arm), points, width=4 if arm == BROKEN else 2))
    title = f"Mean size of {_WEIGHTS[group]}, log"
    return Chart(title, lines, (), switches(histories), log=True, note="over training")
