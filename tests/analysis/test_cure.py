"""The cure's goals and tables, on made-up runs whose answers are known."""

import os
from dataclasses import replace

import pandas as pd
import pytest

from bitnet import HistoryError
from bitnet.analysis.cure import (
    TABLE,
    add_passages,
    cure,
    goals,
    in_words,
    kept_whole,
    ladder_runs,
    passages_of,
    planned,
    runs_table,
)
from bitnet.analysis.results import survey
from bitnet.evaluation.passages import GREEDY, HUMAN, NUCLEUS
from bitnet.runs.trained import load
from tests.support.histories import DEAD, HEALTHY, ONE_TOKEN, history

SIZES = {"hidden": 128, "vocabulary": 4096, "steps": 2000}
WRITTEN = {
    (GREEDY, "seq_rep_4"): 0.15, (GREEDY, "loops"): 0.02, (NUCLEUS, "seq_rep_4"): 0.0,
    (NUCLEUS, "distinct_2"): 0.79, (HUMAN, "distinct_2"): 0.78,
}  # fmt: skip


def trained(arm, loss=5.0, written=WRITTEN, stage1=HEALTHY, **named):
    """A run with that loss at its end, and its passages."""
    found = history(arm, stage1=stage1, last=HEALTHY | {"val_loss": loss}, **(SIZES | named))
    run = f"{found.config.name}-{found.config.corpus}"
    references = dict(found.references) | {"bigram_loss": 5.1, "trigram_loss": 4.6}
    found = replace(found, references=references, manifest={"identity": run})
    rows = [
        {"run": run, "text": text, "measure": measure, "value": value, "low": 0, "high": 1}
        for (text, measure), value in written.items()
    ]
    return found, pd.DataFrame(rows)


def table_of(*runs):
    return runs_table([found for found, _ in runs], pd.concat([rows for _, rows in runs]))


def reached(*runs):
    return dict(goals(table_of(*runs))[["goal", "reached"]].to_numpy())


def test_a_run_that_reaches_all_but_the_trigram():
    found = reached(trained("recommended"), trained("fp-recommended", loss=4.95))
    assert found == {f"G{n}": "0 of 1" if n == 3 else "1 of 1" for n in range(1, 8)}


@pytest.mark.parametrize(
    ("missed", "change"),
    [
        ("G1", {"stage1": ONE_TOKEN}),
        ("G1", {"stage1": DEAD}),
        ("G2", {"loss": 5.11}),
        ("G4", {"written": WRITTEN | {(GREEDY, "seq_rep_4"): 0.21}}),
        ("G5", {"written": WRITTEN | {(GREEDY, "loops"): 0.11}}),
        ("G6", {"written": WRITTEN | {(NUCLEUS, "distinct_2"): 0.69}}),
        ("G6", {"written": WRITTEN | {(NUCLEUS, "distinct_2"): 0.87}}),
        ("G7", {"loss": 4.84}),  # better than the twin by more than 0.1 is no agreement either
    ],
)
def test_each_goal_can_be_missed_alone(missed, change):
    twin = trained("fp-recommended", loss=5.05 if missed != "G7" else 4.95)
    found = reached(trained("recommended", **change), twin)
    assert {goal for goal, n in found.items() if n == "0 of 1"} - {"G3"} == {missed}


def test_what_was_not_measured_is_not_reached_and_a_twin_that_is_missing_not_known():
    found = reached(trained("recommended", written={(HUMAN, "distinct_2"): 0.8}))
    assert (found["G4"], found["G5"], found["G6"], found["G7"]) == ("0 of 1",) * 3 + ("not known",)


def test_being_down_within_warm_up_is_no_miss():
    """Warm-up takes 250 of 2 000 updates; evaluations come every 100."""
    (found, rows) = trained("recommended")
    measures = found.measures.copy()
    early, late = (measures.step <= 200), (measures.step == 300)
    for name, value in DEAD.items():
        measures.loc[early, name] = value
    (row,) = runs_table([replace(found, measures=measures)], rows).itertuples()
    assert row.down == []
    for name, value in DEAD.items():
        measures.loc[late, name] = value
    (row,) = runs_table([replace(found, measures=measures)], rows).itertuples()
    assert row.down == [300]


def test_a_goal_names_the_runs_that_miss_it():
    runs = [trained("recommended"), trained("recommended", loss=5.2, seed=1, order=1)]
    (row,) = goals(table_of(*runs)).query("goal == 'G2'").itertuples()
    assert (row.reached, row[4]) == ("1 of 2", "wikipedia-sample, hidden 128, pair (1, 1)")


def test_the_page_has_the_ladder_and_each_change_against_its_own_run():
    runs = [
        trained("recommended"), trained("adamw-0.0", loss=5.4), trained("l2-0.0", loss=6.6),
        trained("recommended+windows=consecutive", loss=5.3),
        trained("recommended+windows=consecutive", loss=9.0, seed=5),  # has no such partner
    ]  # fmt: skip
    page = cure([found for found, _ in runs], pd.concat([rows for _, rows in runs]))
    assert "`l2-0.0` 6.60 > `adamw-0.0` 5.40 > bigram 5.10 > `recommended` 5.00 > trigram" in page
    assert "| `windows=consecutive` | diverse | +0.30 | +0.00 | +0 |" in page
    assert page.count("| `windows=consecutive` |") == 1
    assert f"- {planned()[-1].label()}" in page


def test_passages_are_kept_by_run(tmp_path):
    table = trained("recommended")[1].drop(columns="run")
    assert len(passages_of(tmp_path)) == 0
    add_passages("one", table, tmp_path)
    add_passages("two", table, tmp_path)
    kept = passages_of(tmp_path)
    assert list(kept.run.unique()) == ["one", "two"]
    assert kept[kept.run == "two"].value.tolist() == table.value.tolist()


def test_the_plan_is_the_registered_one():
    runs = planned()
    assert len(runs) == 25
    recommended = [run for run in runs if run.arm == "recommended"]
    assert len(recommended) == 7
    assert {(run.corpus, run.seed, run.order) for run in recommended} == {
        (text, pair, pair) for text in ("wikipedia-sample", "sotu") for pair in (0, 1, 2)
    }
    assert sum(run.arm.startswith("recommended+") for run in runs) == 8


def test_the_ladder_in_words_is_best_first():
    runs = [trained("l2-0.0", loss=6.6), trained("recommended", loss=4.9)]
    told = pd.concat([rows for _, rows in runs])
    shares = {"run": "x", "text": HUMAN, "measure": "seq_rep_4", "value": 0.02}
    said = in_words([found for found, _ in runs], pd.concat([told, pd.DataFrame([shares])]))
    assert "recommended 4.90 nats, 15%; l2-0.0 6.60 nats, 15%." in said
    assert "word pairs has 5.10 nats, one of word triples 4.60; the text repeats 2%." in said
    assert in_words([], told) == ""


def test_the_committed_ladder_is_one_pair_and_size_and_the_committed_run_writes():
    rungs = [history.config for history in ladder_runs()]
    assert [config.arm for config in rungs] == ["l2-0.0", "adamw-0.0", "recommended"]
    assert len({replace(config, arm="recommended") for config in rungs}) == 1
    (run,), found = survey(kept_whole(), TABLE)
    assert list(found.found) == ["complete"]
    assert run.config == rungs[-1]
    own = ladder_runs()[-1]
    pd.testing.assert_frame_equal(run.measures, own.measures, rtol=1e-5, check_exact=False)
    assert load(run.folder).generate("The history of", 4)


def test_no_ladder_outside_a_checkout(monkeypatch, tmp_path):
    monkeypatch.setattr("bitnet.analysis.cure.PLAN", tmp_path / "plan.yaml")
    monkeypatch.setattr("bitnet.analysis.cure.TABLE", tmp_path / "table")
    assert ladder_runs() == []
    assert in_words([], passages_of(tmp_path)) == ""


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("0.15", "1.5", "value must be smaller than or equal to 1"),
        ("0.15", "", "a value is missing, or there twice"),
        ("0.15", "much", "value must be number"),
        ("greedy", "greedily", "text must be one of"),
        ("loops", "seq_rep_4", "there twice"),
        ("value", "values", "not in index"),
        ("a-run,", "../a-run,", "run must match pattern"),
    ],
)
def test_a_table_of_passages_that_makes_no_sense_is_refused_in_one_line(tmp_path, old, new, why):
    rows = trained("recommended")[1].assign(run="a-run")
    path = tmp_path / "passages.csv"
    path.write_text(rows.to_csv(index=False).replace(old, new, 1))
    with pytest.raises(HistoryError, match=f"passages.csv: no table of passages .*{why}"):
        passages_of(tmp_path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(HistoryError, match="not a regular file"):
        passages_of(tmp_path)
