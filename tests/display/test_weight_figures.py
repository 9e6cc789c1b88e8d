"""Figures of the mechanism: what is in them."""

import pytest

from bitnet.analysis.mechanism import predicted_row_norms
from bitnet.arms import decay_grid
from bitnet.display.weight_figures import (
    grid_figure,
    penalty_figure,
    row_norm_figure,
    ternary_figure,
)
from bitnet.evaluation.weights import ROW_BINS
from tests.support.figures import drawn, switches
from tests.support.histories import history


@pytest.fixture
def grid(tiny_runs):
    return [run for (arm, _), run in tiny_runs.items() if arm in decay_grid((0, 0.1))]


def test_the_grid_is_drawn_by_coefficient_with_one_line_a_kind(grid):
    figure = grid_figure(grid)
    last = {h.config.arm: round(float(h.measures.val_loss.iloc[-1]), 4) for h in grid}
    lines = {trace.name: drawn(trace) for trace in figure.data}
    none = ("0", last["no-decay"])  # stands in both lines of the ternary runs
    assert lines == {
        "coupled (Adam + L2), ternary": [none, ("0.1", last["l2-0.1"])],
        "coupled (Adam + L2), full precision": [("0.1", last["fp-l2-0.0+decay=0.1"])],
        "decoupled (AdamW), ternary": [none, ("0.1", last["adamw-0.0+decay=0.1"])],
        "decoupled (AdamW), full precision": [],
    }
    assert list(figure.layout.xaxis.categoryarray) == ["0", "0.1"]
    assert "(nats" in figure.layout.yaxis.title.text


def test_coefficients_stand_in_their_order_and_other_arms_are_left_out():
    decays = (0.05, 0.001, 0, 0.1, 0.01)
    others = ["l2-0.0", "l2-0.05", "l2-grad-clip", "l2-blocks-0.0", "l2-0.1+peak_lr=0.003"]
    figure = grid_figure([history(arm) for arm in (*decay_grid(decays), *others)])
    assert list(figure.layout.xaxis.categoryarray) == ["0", "0.001", "0.01", "0.05", "0.1"]
    assert all(list(trace.x) == ["0", "0.001", "0.01", "0.05", "0.1"] for trace in figure.data)


@pytest.mark.parametrize("build", [row_norm_figure, penalty_figure, ternary_figure])
def test_panels_are_named_and_marked_one_a_run(runs, build):
    figure = build(runs)
    assert [a.text for a in figure.layout.annotations][:3] == ["l2-0.05", "l2-0.0", "adamw-0.0"]
    assert switches(figure) == [20, 20, 20]
    shown_in_legend = [trace.name for trace in figure.data if trace.showlegend]
    assert len(set(shown_in_legend)) == len(shown_in_legend) == len(figure.data) / 3
    colours = {trace.name: trace.line.color for trace in figure.data}
    assert all(trace.line.color == colours[trace.name] for trace in figure.data)
    assert len(set(colours.values())) == len(colours)


@pytest.mark.parametrize("which", ["embedding", "head"])
def test_row_norms_are_drawn_by_frequency_with_the_prediction_of_their_run_alone(
    runs, corpus, which
):
    table = predicted_row_norms(runs[1], corpus, which)
    figure = row_norm_figure(
        runs, which, [(runs[1].config, table.step.tolist(), table.predicted.tolist())]
    )
    (predicted,) = (trace for trace in figure.data if trace.name.startswith("predicted"))
    assert predicted.xaxis == "x2"
    assert list(predicted.y) == pytest.approx(table.predicted.tolist(), abs=1e-5)
    measured = [trace for trace in figure.data if trace is not predicted]
    assert [trace.name for trace in measured] == [
        "never in the text",
        *(f"{name} times" for name in ROW_BINS if name != "never"),
    ] * 3
    for trace, run in zip(measured[::5], runs, strict=True):
        assert list(trace.y) == pytest.approx(
            run.health[f"row_norm.{which}.never"].tolist(), rel=1e-4
        )  # five digits
    assert which in figure.layout.title.text


def test_the_penalty_is_drawn_over_the_gradient_and_not_where_there_is_none(runs):
    embedding = [trace for trace in penalty_figure(runs).data if trace.name == "embedding"]
    for trace, run in zip(embedding, runs, strict=True):
        health = run.health.set_index("step")
        ratio = health["penalty.embedding"] / health["gradient.embedding"]
        assert dict(drawn(trace)) == pytest.approx(
            {step: v for step, v in ratio.items() if v}, rel=1e-3
        )
    assert max(x for x, _ in drawn(embedding[0])) == 40
    assert max(x for x, _ in drawn(embedding[1])) == 20  # no decay in Stage 2


def test_ternary_shares_are_drawn_in_percent(runs):
    zeros, flipped, back = ternary_figure(runs).data[:3]
    assert list(zeros.y) == pytest.approx((100 * runs[0].health.zero).tolist(), abs=1e-3)
    assert [x for x, _ in drawn(flipped)] == runs[0].health.step.tolist()[
        1:
    ]  # none before the first
    assert [x for x, _ in drawn(back)] == runs[0].health.step.tolist()[2:]
    assert "%" in ternary_figure(runs).layout.yaxis.title.text
