"""The explorer: slider, panels, curves and clicks on real but tiny histories, without a browser."""

import re
from dataclasses import replace
from types import SimpleNamespace

import pytest

from bitnet.decode import prompt_ids
from bitnet.display.explorer import Explorer, explore
from bitnet.display.tables import marked, next_tokens_table, top_tokens_table
from bitnet.evaluation.measures import MEASURES
from tests.support.figures import levels

STEPS = [1, 8, 20, 28, 30, 40]


@pytest.fixture
def histories(tiny_runs):
    return [tiny_runs["l2-0.0", 0], tiny_runs["adamw-0.0", 0]]


@pytest.fixture
def explorer(histories, corpus):
    return Explorer(histories, corpus)


def marker(explorer):
    shape = explorer.figure.layout.shapes[explorer.marker]
    assert shape.x0 == shape.x1
    return shape.x0


def click(trace, indices, kind="on_click"):
    """What the figure does with a click or a hover that the browser reports."""
    getattr(trace, f"_dispatch_{kind}")(SimpleNamespace(point_inds=indices), None)


def test_the_slider_offers_the_evaluations_and_stands_at_the_last(explorer, histories):
    assert list(explorer.step.options) == histories[0].measures.step.tolist() == STEPS
    assert explorer.step.value == 40
    assert marker(explorer) == 40


@pytest.mark.parametrize("step", STEPS)
def test_moving_the_slider_changes_panels_and_marker(explorer, histories, corpus, step):
    explorer.step.value = step
    assert marker(explorer) == step
    for panel, history in zip(explorer.panels, histories, strict=True):
        found, said = history.at(step), history.snapshot_at(step)
        state = history.states[history.measures.step == step].item()
        assert (
            f"{history.config.arm}, hidden 8, vocabulary 2048, 40 steps, seed 0, "
            f"step {step}: {state}</h4>" in panel.value
        )
        assert f"unique tokens {found['unique_tokens']:.0f} (" in panel.value
        assert f"effective tokens {found['effective_tokens']:.1f} (" in panel.value
        assert f"held-out loss {found['val_loss']:.2f} (" in panel.value
        assert top_tokens_table(said, corpus.vocabulary) in panel.value
        assert next_tokens_table(said, explorer.prompts, corpus.vocabulary) in panel.value
        assert all(
            f"<b>{marked(ids, corpus.vocabulary)}</b>" in panel.value for ids in said.continuations
        )


def test_each_run_is_shown_beside_its_own_references(histories, corpus):
    others = {"human_unique_tokens": 77.0, "unigram_loss": 1.25}
    config = replace(histories[1].config, probe_positions=62)
    other = replace(histories[1], config=config, references={**histories[1].references, **others})
    explorer = Explorer([histories[0], other], corpus)
    left, right = (panel.value for panel in explorer.panels)
    assert f"(the text itself: {histories[0].references['human_unique_tokens']:.0f})" in left
    assert "(the text itself: 77)" in right
    assert "(unigram model: 1.25)" in right
    explorer.measure.value = "val_loss"
    assert {histories[0].references["unigram_loss"], 1.25} <= set(levels(explorer.figure))


def test_the_prompts_are_the_openings_of_the_probe(explorer, corpus):
    assert len(explorer.prompts) == 8
    assert explorer.prompts[0] == corpus.held_out.flatten()[:8].tolist()


@pytest.mark.parametrize("kind", ["on_click", "on_hover"])
def test_a_point_of_a_curve_moves_the_slider_to_its_step(explorer, kind):
    click(explorer.figure.data[1], [2], kind)
    assert explorer.step.value == marker(explorer) == 20
    assert "step 20:" in explorer.panels[0].value
    click(explorer.figure.data[0], [], kind)  # what the other traces are told
    assert explorer.step.value == 20


def test_another_measure_is_drawn_at_the_same_step(explorer, histories):
    explorer.step.value = 20
    before = explorer.figure
    explorer.measure.value = "val_loss"
    assert explorer.figure is not before
    assert explorer.plot.children == (explorer.figure,)
    assert explorer.figure.layout.yaxis.title.text.startswith(MEASURES["val_loss"].label)
    assert list(explorer.figure.data[0].y) == pytest.approx(
        histories[0].measures.val_loss.tolist(), abs=1e-4
    )
    assert explorer.step.value == marker(explorer) == 20
    click(explorer.figure.data[0], [1])  # the new curves answer to clicks too
    assert explorer.step.value == 8


def test_the_scale_is_switched(explorer):
    assert explorer.figure.layout.yaxis.type == "log"
    explorer.scale.value = "linear"
    assert explorer.figure.layout.yaxis.type != "log"
    explorer.scale.value = "log"
    assert explorer.figure.layout.yaxis.type == "log"


@pytest.mark.parametrize("measure", MEASURES)
def test_every_measure_can_be_chosen(explorer, measure):
    explorer.measure.value = measure
    assert len(explorer.figure.data) == 2


def test_chosen_runs_alone_are_drawn_and_none_means_all(explorer):
    explorer.chosen.value = explorer.chosen.options[1:]
    assert [trace.name for trace in explorer.figure.data] == ["adamw-0.0"]
    explorer.chosen.value = ()
    assert [trace.name for trace in explorer.figure.data] == ["l2-0.0", "adamw-0.0"]


def test_either_side_shows_any_run(explorer):
    first, second = explorer.chosen.options
    assert (explorer.sides[0].value, explorer.sides[1].value) == (first, second)
    assert explorer.panels[0].value != explorer.panels[1].value
    explorer.sides[0].value = second
    assert explorer.panels[0].value == explorer.panels[1].value


def test_a_run_that_was_not_evaluated_at_a_step_shows_its_newest_before(histories, corpus):
    rarely = histories[1].measures.step.isin([8, 40])
    sparse = replace(
        histories[1],
        measures=histories[1].measures[rarely],
        snapshots=[histories[1].snapshots[i] for i in (1, 5)],
    )
    explorer = Explorer([histories[0], sparse], corpus)
    for step, shown in ((1, 8), (8, 8), (30, 8), (40, 40)):
        explorer.step.value = step
        assert f"step {step}:" in explorer.panels[0].value
        assert f"step {shown}:" in explorer.panels[1].value
        assert (
            top_tokens_table(sparse.snapshot_at(shown), corpus.vocabulary)
            in explorer.panels[1].value
        )


def test_what_models_say_cannot_become_html(histories, corpus):
    texts, words = ["<script>alert(1)</script><img src=x>"], histories[0].vocabulary
    (attack,) = prompt_ids(texts, words).tolist()
    hostile = replace(
        histories[0].snapshots[-1],
        top_tokens=[(token, 0.1, 0.1) for token in attack],
        next_tokens=[[(token, 0.1) for token in attack]] * 8,
        continuations=[attack] * 8,
    )
    history = replace(histories[0], snapshots=[*histories[0].snapshots[:-1], hostile])
    explorer = Explorer([history], corpus)
    explorer.prompts = [attack] * 8
    explorer._show_step()
    tags = set(re.findall(r"</?(\w+)", explorer.panels[0].value))
    assert tags <= {"h4", "h5", "table", "tr", "td", "th", "ol", "li", "b", "span"}
    assert explorer.panels[0].value.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 8


@pytest.fixture
def displayed(monkeypatch):
    import IPython.display

    shown = []
    monkeypatch.setattr(IPython.display, "display", shown.append)
    for name in ("JPY_SESSION_NAME", "VSCODE_PID", "BITNET_LIVE"):
        monkeypatch.delenv(name, raising=False)
    return shown


@pytest.mark.parametrize("live", [False, None])
def test_where_nobody_looks_on_there_is_a_static_figure_alone(histories, corpus, displayed, live):
    figure = explore(histories, corpus, live)
    assert type(figure).__name__ == "Figure"
    assert len(figure.data) == 4
    assert displayed == []


def test_in_an_open_notebook_the_explorer_is_shown_and_the_figure_returned(
    histories, corpus, displayed, monkeypatch
):
    monkeypatch.setenv("JPY_SESSION_NAME", "/a.ipynb")
    figure = explore(histories, corpus)
    assert type(figure).__name__ == "Figure"
    (box,) = displayed
    assert type(box).__name__ == "VBox"
