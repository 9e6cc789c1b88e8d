"""A run that diverged before the switch, among others: the notebooks show the rest and say so."""

from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import plotly.graph_objects as go
import pytest

import bitnet
from bitnet.analysis.phenomena import phenomena
from bitnet.decode import prompt_ids
from bitnet.runs.run import run
from tests.support.notebooks import ROOT, code_cells, read
from tests.support.runs import CPU, TRAINED

AWAITED = "histories = await training.finished()"
# Without eps the weights of tokens that have not occurred move by 0 / 0, so that the loss of
# update 2 is no number.
WILD = bitnet.arms.arm_name({"base": "no-decay", "peak_lr": 1.0, "eps": 0.0, "clip_norm": 1e12})
SIZES = {"hidden": 8, "steps": 12, "heads": 1}


@pytest.fixture(scope="module")
def diverged(corpus, tmp_path_factory):
    """One that was evaluated once, and one that never was."""
    config = replace(TRAINED, arm=WILD, **SIZES)
    once = run(config, corpus, tmp_path_factory.mktemp("runs"), CPU, log=lambda line: None)
    assert (once.status, once.measures.step.tolist()) == ("diverged", [1])
    none = {"measures": once.measures[:0], "health": once.health[:0], "snapshots": ()}
    return {"evaluated once": once, "never evaluated": replace(once, **none)}


@pytest.fixture
def complete(corpus, tmp_path):
    config = replace(TRAINED, arm="adamw-0.0", **SIZES)
    return run(config, corpus, tmp_path / "runs", CPU, log=lambda line: None)


def seen(notebook, names, monkeypatch):
    """Execute what a notebook does with its runs; a figure is drawn, and shown to nobody."""
    monkeypatch.setattr("bitnet.display.figures.set_renderer", lambda: None)
    monkeypatch.setattr(go.Figure, "show", lambda figure: figure.to_json())
    sources = [cell.source for cell in code_cells(read(ROOT / "notebooks" / f"{notebook}.ipynb"))]
    imports = next(source for source in sources if "figures.set_renderer()" in source)
    exec(imports, names)
    (start,) = (i for i, source in enumerate(sources) if AWAITED in source)
    for source in sources[start:]:
        exec(source.replace(AWAITED, ""), names)
    return names


@pytest.mark.parametrize("which", ["evaluated once", "never evaluated"])
def test_root_cause_shows_it_as_far_as_it_came(
    which, diverged, complete, corpus, committed, monkeypatch, capsys
):
    histories = [diverged[which], complete]
    plan = SimpleNamespace(runs=[history.config for history in histories], steps=12)
    answers = pd.DataFrame([("a prediction", "yes")], columns=["prediction", "answer"])
    names = {"bitnet": bitnet, "histories": histories, "plan": plan, "text": corpus,
             "full": committed, "registered_answers": answers}  # fmt: skip
    ends = seen("root_cause", names, monkeypatch)["ends"]
    said = capsys.readouterr().out
    assert "adamw-0.0: " in said
    assert ("not reached at the switch; unseen rows shrunk: not known" in said) == (
        which == "evaluated once"
    )
    assert len(ends) == 2 - (which == "never evaluated")


@pytest.mark.parametrize("which", ["evaluated once", "never evaluated"])
def test_decode_lets_the_others_write_and_says_which_has_no_model(
    which, diverged, complete, corpus, committed, monkeypatch, capsys
):
    names = {
        "bitnet": bitnet, "decode": bitnet.decode, "histories": [diverged[which], complete],
        "text": corpus, "asked": prompt_ids("a town|a war", corpus.vocabulary), "new_tokens": 2,
        "options": {"temperature": 0.8, "top_p": 0.9, "seed": 0},
        "at_256": [h for h in committed if h.config.hidden == 256],
    }  # fmt: skip
    assert list(seen("decode", names, monkeypatch)["models"]) == ["adamw-0.0"]
    said = capsys.readouterr().out
    assert f"{WILD}: diverged, so there is no trained model of it" in said
    assert "repeats more than people, greedily:" in said


def test_decode_of_nothing_but_diverged_runs_is_one_line(diverged, monkeypatch):
    names = {"bitnet": bitnet, "histories": list(diverged.values())}
    with pytest.raises(bitnet.HistoryError, match="no run is complete") as error:
        seen("decode", names, monkeypatch)
    assert "\n" not in str(error.value)


def test_the_phenomena_leave_it_out(diverged, complete):
    alone = phenomena([complete])
    assert phenomena([*diverged.values(), complete]) == alone


def test_a_run_that_lacks_its_evaluations_of_stage_1_is_refused_in_one_line(complete):
    late = replace(complete, measures=complete.measures[complete.measures.step > 6])
    assert late.complete
    for act in (phenomena, bitnet.analysis.hypotheses.kind_of_decay):
        with pytest.raises(bitnet.HistoryError, match="was not evaluated before the switch"):
            act([late])
