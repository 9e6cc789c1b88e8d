"""The values that measures are read against: no run is shown beside those of another."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest

from bitnet.display.curves import (
    diversity_figure,
    entropy_figure,
    loss_figure,
    measure_figure,
    prompt_probe_figure,
    spread_figure,
)
from bitnet.display.phases import phase_figure
from bitnet.display.references import distinct, formatted
from bitnet.display.sizes import size_figure
from bitnet.display.training_charts import loss_chart
from bitnet.display.verify import hero_figure
from bitnet.display.weight_figures import grid_figure
from tests.support.figures import label_boxes, levels, plain, texts
from tests.support.histories import REFERENCES, history

OTHER = {
    "ln_vocabulary": 8.318, "unigram_loss": 6.92, "unique_tokens_ceiling": 2046.0,
    "human_unique_tokens": 1200.0, "human_effective_tokens": 300.0, "human_seq_rep_4": 0.01,
}  # fmt: skip
ONE = history("l2-0.1")
TWO = replace(history("l2-0.1", corpus="sotu", seed=1), references=REFERENCES | OTHER)
BOTH = [ONE, TWO]


def labels(figure):
    return [plain(a.text) for a in figure.layout.annotations]


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


def test_the_committed_runs_have_the_losses_of_word_pairs_and_triples(committed):
    assert distinct(committed, "bigram_loss") == [(pytest.approx(6.192, abs=1e-3), "")]
    shown = labels(loss_figure(committed[:2]))
    assert {"bigram model: 6.19", "trigram model: 6.01", "unigram model: 7.70"} <= set(shown)
    texts_of_levels = [level.text for level in loss_chart(committed[:2]).levels]
    assert texts_of_levels[-2:] == ["bigram model: 6.19", "trigram model: 6.01"]
    assert "bigram" not in texts(loss_figure([ONE]))  # of another text: not known


def test_a_new_run_has_them_among_its_own_references(runs):
    for key in ("bigram_loss", "trigram_loss"):
        assert distinct(runs, key) == [(runs[0].references[key], "")]
    assert any(label.startswith("trigram model: ") for label in labels(loss_figure(runs)))


def test_probes_of_two_sizes_on_one_text_are_told_apart():
    few = replace(ONE, config=replace(ONE.config, probe_positions=512), references=OTHER)
    assert distinct([ONE, few], "unique_tokens_ceiling") == [
        (4123, "4096 positions"), (2046, "512 positions")
    ]  # fmt: skip


CEILING, TEXT = "ceiling: {} positions", "the text itself: {}"
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


# Where the runs, which are all the same here, would be flattened by a line.
FAR = ("size", "grid")


@pytest.mark.parametrize("name", EXPECTED)
def test_two_texts_with_different_references_give_two_labelled_lines(name):
    build, expected = EXPECTED[name]
    figure = build(BOTH)
    for text, values in expected.items():
        for value, corpus in zip(values, ("wikipedia-sample", "sotu"), strict=True):
            label = f"{text.format(f'{value:,}'.replace(',', ' ') if value > 999 else value)}"
            label += f" ({corpus})"
            regions = [shape for shape in figure.layout.shapes if shape.type == "rect"]
            at_bottom = [region.y0 / 0.99 for region in regions]
            lines = any(y == pytest.approx(value) for y in [*levels(figure), *at_bottom])
            if name in FAR:
                assert f"↑ {label}" in labels(figure)
            else:
                assert label in labels(figure)
            assert lines is (name not in FAR)


def test_labels_of_lines_that_lie_close_do_not_lie_over_one_another():
    for figure in (loss_figure(BOTH), entropy_figure(BOTH), diversity_figure(BOTH)):
        boxes = sorted(label_boxes(figure))
        assert len(boxes) >= 5
        assert all(above >= top - 1e-6 for (_, top), (above, _) in pairwise(boxes))


@pytest.mark.parametrize("build", [diversity_figure, loss_figure, hero_figure])
def test_runs_of_one_text_share_one_line_without_a_name(build):
    alone, twice = build([history("l2-0.0")]), build([history("l2-0.0"), history("l2-0.05")])
    assert sorted(levels(twice)) == sorted(levels(alone))
    assert "wikipedia-sample" not in texts(twice)


def test_a_reference_that_two_texts_share_is_drawn_once():
    figure = prompt_probe_figure(BOTH)
    assert levels(figure) == [20]
    assert "ceiling: 20" in labels(figure)


@pytest.mark.parametrize(
    ("measure", "value", "text"),
    [
        ("unique_tokens", 331.0, "331"),
        ("effective_tokens", 60.04, "60.0"),
        ("unique_tokens", 50257.0, "50\u202f257"),
        ("unique_tokens", math.nan, "\u2013"),
        ("val_loss", 6.8, "6.80"),
        ("val_loss", -0.0001, "0.00"),
        ("val_loss", math.inf, "\u2013"),
        ("context_information", None, "\u2013"),
    ],
)
def test_a_value_has_the_decimals_of_its_measure(measure, value, text):
    assert formatted(measure, value) == text
