"""Bands of seeds, and the README's figure."""

import math
from itertools import pairwise

import pytest

from bitnet.display.bands import hero_figure, spread_figure
from bitnet.display.theme import ARM_COLOURS
from tests.support.figures import levels, switches, texts
from tests.support.histories import DEAD, HEALTHY, history


def arms_of_the_hero(final, seeds=(0, 1, 2)):
    """Runs of the three arms and another, that end at `final` tokens, each seed with 20 more."""
    return [
        history(arm, seed=seed, stage1=DEAD, stage2=HEALTHY | {"unique_tokens": count + 20 * seed})
        for seed in seeds
        for arm, count in final.items()
    ]


FINAL = {"l2-0.05": 2, "l2-0.0": 224, "adamw-0.0": 250, "fp-l2-0.0": 240}


def test_the_spread_of_seeds_is_a_band_around_their_mean(tiny_runs):
    first, second = tiny_runs["l2-0.0", 0], tiny_runs["l2-0.0", 1]
    figure = spread_figure([first, second, tiny_runs["adamw-0.0", 0]], "val_loss")
    band, line, alone_band, alone = figure.data
    both = [first.measures.val_loss.tolist(), second.measures.val_loss.tolist()]
    pairs = list(zip(*both, strict=True))
    assert list(line.y) == pytest.approx([sum(pair) / 2 for pair in pairs], abs=1e-4)
    n = len(line.x)
    assert list(band.y[:n]) == pytest.approx([max(pair) for pair in pairs], abs=1e-4)
    assert list(band.y[n:])[::-1] == pytest.approx([min(pair) for pair in pairs], abs=1e-4)
    assert line.name == "l2-0.0 (2 seeds)"
    assert alone.name == "adamw-0.0 (1 seed)"
    assert list(alone_band.y[:n]) == list(alone.y)
    assert line.line.color == ARM_COLOURS["l2-0.0"]
    assert not band.showlegend


def test_the_spread_keeps_sizes_lengths_and_texts_apart():
    runs = [
        history("l2-0.0"),
        history("l2-0.0", seed=1),
        history("l2-0.0", hidden=512),
        history("l2-0.0", steps=5000),
    ]
    lines = [trace.name for trace in spread_figure(runs, "val_loss").data if trace.name]
    assert lines == [
        "l2-0.0, hidden 256, 20000 steps (2 seeds)", "l2-0.0, hidden 512, 20000 steps (1 seed)",
        "l2-0.0, hidden 256, 5000 steps (1 seed)",
    ]  # fmt: skip
    texts_apart = [*runs[:2], history("l2-0.0", corpus="other")]
    lines = [trace.name for trace in spread_figure(texts_apart, "val_loss").data if trace.name]
    assert lines == ["l2-0.0, wikipedia-sample (2 seeds)", "l2-0.0, other (1 seed)"]


def test_the_hero_shows_three_arms_each_with_its_mean_in_a_band_of_its_seeds():
    figure = hero_figure(arms_of_the_hero(FINAL))
    lines = {trace.name: trace for trace in figure.data if trace.name}
    assert set(lines) == {"l2-0.05", "l2-0.0", "adamw-0.0"}
    bands = {trace.legendgroup: trace for trace in figure.data if trace.fill == "toself"}
    for arm, line in lines.items():
        band, n = bands[arm], len(line.x)
        assert line.line.color == ARM_COLOURS[arm]
        assert line.y[-1] == FINAL[arm] + 20
        assert (band.y[n - 1], band.y[n]) == (FINAL[arm] + 40, FINAL[arm])


def test_the_hero_has_a_log_axis_the_switch_and_faint_references():
    figure = hero_figure(arms_of_the_hero(FINAL))
    assert figure.layout.yaxis.type == "log"
    assert "log scale" in figure.layout.yaxis.title.text
    assert figure.layout.title.text
    assert switches(figure) == [10_000]
    assert "stage switch" in texts(figure)
    assert set(levels(figure)) == {4123, 1917}
    faint = [s.line.color for s in figure.layout.shapes if s.y0 == s.y1]
    assert faint == ["#ddd", "#ddd"]
    assert "ceiling: 4123 positions" in texts(figure)
    assert "the text itself: 1917" in texts(figure)


@pytest.mark.parametrize(
    "final",
    [
        FINAL,
        {"l2-0.05": 2, "l2-0.0": 2, "adamw-0.0": 2},
        {"adamw-0.0": 250, "l2-0.0": 251, "l2-0.05": 252},
        {"l2-0.0": 5, "adamw-0.0": 3000, "l2-0.05": 4},
    ],
    ids=["apart", "equal", "close", "far"],
)
def test_the_hero_labels_its_lines_at_their_ends_and_no_label_lies_over_another(final):
    figure = hero_figure(arms_of_the_hero(final))
    assert figure.layout.showlegend is False
    labels = [a for a in figure.layout.annotations if a.text.startswith("<b>")]
    assert {a.text.partition("</b>")[0].removeprefix("<b>") for a in labels} == {
        "l2-0.05", "l2-0.0", "adamw-0.0"
    }  # fmt: skip
    for label in labels:
        arm = label.text.partition("</b>")[0].removeprefix("<b>")
        assert (label.x, label.xanchor, label.font.color) == (20_000, "left", ARM_COLOURS[arm])
    low, high = figure.layout.yaxis.range
    height = figure.layout.height - figure.layout.margin.t - figure.layout.margin.b
    lines_of_text = 2 * 1.3 * labels[0].font.size  # pixels
    places = sorted(label.y for label in labels)
    for below, above in pairwise(places):
        assert (above - below) / (high - low) * height >= lines_of_text
    ends = sorted(trace.y[-1] for trace in figure.data if trace.name)
    for place, end in zip(places, ends, strict=True):
        assert abs(place - math.log10(end)) < 0.5


def test_the_hero_of_fewer_arms_or_none_is_drawn():
    (_, line) = hero_figure([history("adamw-0.0")]).data
    assert line.name == "adamw-0.0"
    assert len(hero_figure([history("no-decay")]).data) == 0
