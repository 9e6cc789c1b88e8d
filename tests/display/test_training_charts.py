"""The charts of pages: the runs' values, what to read them against, and the published points."""

from bitnet.display.training_charts import loss_chart, measure_chart, probe_chart, tokens_chart
from tests.support.histories import DEAD, history

HISTORIES = [
    history("l2-0.05", stage1=DEAD, stage2=DEAD),
    history("l2-0.0", stage1=DEAD),
    history("fp-l2-0.0", until=5000, status="stopped"),
]


def levels(chart):
    return [level.text for level in chart.levels]


def test_a_measure_is_drawn_with_its_switch_and_its_incomplete_runs_named():
    found = measure_chart(HISTORIES, "effective_tokens")
    assert [line.name for line in found.lines] == [
        "l2-0.05", "l2-0.0", "fp-l2-0.0 (incomplete)",
    ]  # fmt: skip
    assert [line.dashed for line in found.lines] == [False, False, True]
    assert found.marks == [(10_000, "stage switch")]
    assert found.lines[1].points[-1] == (20_000, 60.0)


def test_counts_stand_beside_ceiling_text_and_bars():
    assert levels(tokens_chart(HISTORIES)) == [
        "ceiling: 4\u202f123", "the text itself: 1\u202f917",
        "the brief: works above 50", "the brief: fails below 10",
    ]  # fmt: skip


def test_references_that_differ_name_their_corpora():
    other = history("l2-0.0", corpus="wikitext-2")
    other.references.pop("human_unique_tokens", None)
    found = levels(loss_chart([history("l2-0.0"), other]))
    assert found == ["ln V, a uniform prediction: 10.82", "unigram model: 7.70"]


def test_published_points_are_laid_over_as_dots():
    lines = {line.name: line for line in probe_chart(HISTORIES).lines}
    points = lines["l2-0.0, published (10\u202f000-step run)"]
    assert points.dots
    assert list(points.points)[:3] == [(1000, 16), (2000, 8), (3000, 2)]
    assert any("training loss" in line.name for line in loss_chart(HISTORIES).lines)
