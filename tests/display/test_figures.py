"""Every figure of real runs can be drawn and kept."""

import json

import pytest

from bitnet.display.figures import (
    entropy_figure,
    hero_figure,
    measure_figure,
    phase_figure,
    rarefaction_figure,
    spread_figure,
    state_examples,
    top_tokens_figure,
)
from bitnet.display.weight_figures import penalty_figure, row_norm_figure, ternary_figure
from tests.support.figures import axes


@pytest.mark.parametrize(
    "build",
    [
        lambda runs: measure_figure(runs, "effective_tokens"), entropy_figure, phase_figure,
        penalty_figure, ternary_figure, row_norm_figure, top_tokens_figure,
        lambda runs: spread_figure(runs, "val_loss"), hero_figure,
        lambda runs: rarefaction_figure(state_examples(runs)),
    ],
    ids=["measure", "entropy", "phase", "penalty", "ternary", "row norm", "top tokens", "spread",
         "hero", "rarefaction"],
)  # fmt: skip
def test_every_figure_of_real_runs_has_points_titles_and_json(runs, build):
    figure = build(runs)
    assert figure.layout.title.text
    assert all(axis["title"]["text"] for axis in axes(figure, "x"))
    assert (
        any(axis.get("title", {}).get("text") for axis in axes(figure, "y"))
        or figure.data[0].type == "bar"
    )
    assert all(len(trace.x) == len(trace.y) > 0 for trace in figure.data)
    json.loads(figure.to_json())
