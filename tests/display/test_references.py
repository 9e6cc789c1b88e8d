"""The values that measures are read against: no run is shown beside those of another."""

from dataclasses import replace

import pytest

from bitnet.display.bands import hero_figure, spread_figure
from bitnet.display.curves import (
    diversity_figure,
    entropy_figure,
    loss_figure,
    measure_figure,
    prompt_probe_figure,
)
from bitnet.display.phases import phase_figure
from bitnet.display.references import distinct, formatted
from bitnet.display.sizes import size_figure
from bitnet.display.weight_figures import grid_figure
from tests.support.figures import levels, texts
from tests.support.histories import REFERENCES, history

OTHER = {
    "ln_vocabulary": 8.318, "unigram_loss": 6.92, "unique_tokens_ceiling": 2046.0,
    "human_unique_tokens": 1200.0, "human_effective_tokens": 300.0, "human_seq_rep_4": 0.01,
}  # fmt: skip
ONE = history("l2-0.1")
TWO = replace(history("l2-0.1", corpus="sotu", seed=1), references=REFERENCES | OTHER)
BOTH = [ONE, TWO]


def labels(figure):
    return [a.text for a in figure.layout.annotations]


def test_values_are_given_once_with_whose_they_are():
    assert distinct([ONE, ONE], "unigram_loss") == [(7.7, "")]
    assert distinct(BOTH, "unigram_loss") == [(7.7, "wikipedia-sample"), (6.92, "sotu")]
    assert distinct([*BOTH, history("no-decay", corpus="third")], "unigram_loss") == [
        (7.7, "wikipedia-sample, third"), (6.92, "sotu")
    ]  # fmt: skip
    assert distinct(BOTH, "unique_predictions_ceiling") == [(20, "")]
    assert distinct(BOTH, "nothing") == []


def test_a_value_that_another_machine_rounded_otherwise_is_the_same():
    rounded = replace(ONE, references=REFERENCES | {"unigram_loss": 7.7 + 1e-12})
    assert distinct([ONE, rounded], "unigram_loss") == [(7.7, "")]


def test_probes_of_two_sizes_on_one_text_are_told_apart():
    few = replace(ONE, config=replace(ONE.config, probe_positions=512), references=OTHER)
    assert distinct([ONE, few], "unique_tokens_ceiling") == [
        (4123, "4096 positions"), (2046, "512 positions")
    ]  # fmt: skip


CEILING, TEXT = "ceiling: {:.0f} positions", "the text itself: {:.0f}"
UNIGRAM, UNIFORM, DEAD = (
    "unigram model: {:.2f}",
    "ln V, a uniform prediction: {:.2f}",
    "dead above this line",
)
EXPECTED = {
    "diversity": (
        diversity_figure,
        {CEILING: (4123, 2046), TEXT: (1917, 1200)},
    ),
    "loss": (loss_figure, {UNIGRAM: (7.7, 6.92), UNIFORM: (10.825, 8.318)}),
    "measure": (lambda runs: measure_figure(runs, "unique_tokens"), {TEXT: (1917, 1200)}),
    "spread": (lambda runs: spread_figure(runs, "unique_tokens"), {TEXT: (1917, 1200)}),
    "size": (lambda runs: size_figure(runs, "val_loss"), {UNIGRAM: (7.7, 6.92)}),
    "grid": (grid_figure, {UNIGRAM: (7.7, 6.92)}),
    "entropy": (
        entropy_figure,
        {UNIFORM: (10.825, 8.318), DEAD: (0.99 * 10.825, 0.99 * 8.318)},
    ),
    "phase": (phase_figure, {"dead: uniform": (10.825, 8.318)}),
}


@pytest.mark.parametrize(("build", "expected"), EXPECTED.values(), ids=EXPECTED)
def test_two_texts_with_different_references_give_two_labelled_lines(build, expected):
    figure = build(BOTH)
    for text, (one, two) in expected.items():
        assert f"{text.format(one)} (wikipedia-sample)" in labels(figure)
        assert f"{text.format(two)} (sotu)" in labels(figure)
        regions = [shape for shape in figure.layout.shapes if shape.type == "rect"]
        for value in (one, two):
            at_bottom = [region.y0 / 0.99 for region in regions]
            assert any(y == pytest.approx(value) for y in [*levels(figure), *at_bottom])


@pytest.mark.parametrize("build", [diversity_figure, loss_figure, hero_figure])
def test_runs_of_one_text_share_one_line_without_a_name(build):
    alone, twice = build([history("l2-0.0")]), build([history("l2-0.0"), history("l2-0.05")])
    assert sorted(levels(twice)) == sorted(levels(alone))
    assert "wikipedia-sample" not in texts(twice)


def test_a_reference_that_two_texts_share_is_drawn_once():
    figure = prompt_probe_figure(BOTH)
    assert levels(figure) == [20]
    assert "ceiling: 20" in labels(figure)


def test_lines_that_lie_close_are_labelled_at_different_ends():
    sides = {a.text: a.xanchor for a in loss_figure(BOTH).layout.annotations}
    assert sides["unigram model: 7.70 (wikipedia-sample)"] == "right"
    assert sides["unigram model: 6.92 (sotu)"] == "left"


@pytest.mark.parametrize(
    ("measure", "value", "text"),
    [
        ("unique_tokens", 331.0, "331"),
        ("effective_tokens", 60.04, "60.0"),
        ("val_loss", 6.8, "6.80"),
    ],
)
def test_a_value_has_the_decimals_of_its_measure(measure, value, text):
    assert formatted(measure, value) == text
