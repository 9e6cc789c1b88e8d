"""The committed runs: whole, of the registered plan, and found and collected by what they are."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bitnet import HistoryError, RunConfig, load_corpus
from bitnet.analysis.results import (
    RESULTS,
    collect,
    load_plan,
    load_results,
    survey,
    with_weights,
)
from bitnet.checks import ParameterError
from bitnet.records import Record
from bitnet.runs.grid import Grid
from bitnet.runs.weights import load_model
from bitnet.runs.writer import HistoryWriter
from tests.support.runs import record, writer_in

ROOT = Path(__file__).parents[2]
PLAN = load_plan()


def test_every_committed_run_is_complete_and_belongs_to_the_plan(committed):
    assert RESULTS == ROOT / "results" / "runs"
    assert len(committed) == len(list(RESULTS.iterdir()))
    for history in committed:
        assert history.complete, history.folder
        assert history.config in PLAN.runs, history.folder
        assert history.folder.name == history.manifest["identity"]


def test_the_committed_runs_can_be_chosen_by_size_length_and_seed(committed):
    def chosen(**named):
        return [h.config for h in load_results(**named)]

    def expected(**named):
        wanted = named.items()
        return [h.config for h in committed if all(getattr(h.config, k) == v for k, v in wanted)]

    for named in ({"hidden": 512}, {"steps": 5000}, {"seed": 2, "hidden": 256}):
        assert chosen(**named) == expected(**named) != []
    with pytest.raises(HistoryError, match="no committed runs here"):
        load_results(hidden=7)


def facts(history, **changed):
    return {name: history.manifest[name] for name in ("identity", "corpus", "device")} | changed


def repeated(history, folder, changed):
    """The same run in another folder, as if trained anew with other facts."""
    weights = history.health.to_dict("records")
    rows = zip(history.rows(), weights, history.snapshots, strict=True)
    with HistoryWriter(
        folder, history.config, facts(history, **changed), history.references, history.vocabulary
    ) as writer:
        for row, health, said in rows:
            writer(Record(int(row["step"]), row["loss"], row["lr"], row["wd"], row, health, said))


def begun(history, runs):
    """The same run in another runs folder, as if it had been stopped at once."""
    with HistoryWriter(
        runs / history.folder.name, history.config, facts(history), history.references,
        history.vocabulary,
    ):  # fmt: skip
        pass


def test_finished_runs_are_collected_without_their_weights_and_never_replaced(tiny_runs, tmp_path):
    whole, cut = tiny_runs["l2-0.0", 0], tiny_runs["l2-0.05", 0]
    (tmp_path / "results").mkdir()
    begun(cut, tmp_path / "cut")
    grid = Grid((whole.config, cut.config))
    assert collect(grid, tmp_path / "cut", tmp_path / "results") == []
    assert collect(grid, whole.folder.parent, tmp_path / "results") == [
        whole.folder.name,
        cut.folder.name,
    ]
    (copied,) = (
        path for path in (tmp_path / "results").iterdir() if path.name == whole.folder.name
    )
    assert sorted(path.name for path in copied.iterdir()) == [
        "health.csv", "manifest.json", "measures.csv", "merges.txt", "snapshots.jsonl", "trace.csv"
    ]  # fmt: skip
    assert load_results(tmp_path / "results")[0].complete
    assert collect(grid, whole.folder.parent, tmp_path / "results") == []


def test_a_run_repeated_on_another_device_does_not_count_twice(tiny_runs, tmp_path):
    whole = tiny_runs["l2-0.0", 0]
    grid = Grid((whole.config,))
    shutil.copytree(whole.folder, tmp_path / "results" / whole.folder.name)
    device = whole.manifest["device"] | {"kind": "cuda"}
    name = whole.config.identity(
        whole.manifest["corpus"]["fingerprint"], "cuda", device["precision"]
    )
    repeated(whole, tmp_path / "gpu" / name, {"identity": name, "device": device})
    assert collect(grid, tmp_path / "gpu", tmp_path / "results") == []
    assert collect(grid, tmp_path / "gpu", tmp_path / "other results") == [name]


def test_a_run_of_an_older_recipe_is_no_result(tiny_runs, tmp_path, monkeypatch):
    whole = tiny_runs["l2-0.0", 0]
    monkeypatch.setattr("bitnet.config.RECIPE_VERSION", 99)
    assert collect(Grid((whole.config,)), whole.folder.parent, tmp_path / "results") == []
    with pytest.raises(HistoryError, match="no readable run"):
        survey(Grid((whole.config,)), whole.folder.parent)


def test_the_committed_files_hold_no_text_of_the_corpus():
    """Run folders name tokens by number, which are decoded only when someone looks."""
    for path in (ROOT / "results" / "runs").glob("*/snapshots.jsonl"):
        letters = set('0123456789.,:[]{}" e-+_abcdefghijklmnopqrstuvwxyz\n')
        assert not set(path.read_text()) - letters


def test_a_folder_without_runs_is_one_line(tmp_path):
    with pytest.raises(HistoryError, match="no committed runs here"):
        load_results(tmp_path)


def test_a_survey_says_of_every_run_of_a_plan_what_was_found(tiny_runs, tmp_path):
    whole, cut, spoiled = (tiny_runs[arm, 0] for arm in ("l2-0.05", "l2-0.0", "adamw-0.0"))
    for history in (whole, spoiled):
        shutil.copytree(history.folder, tmp_path / history.folder.name)
    (tmp_path / spoiled.folder.name / "trace.csv").write_text("not what it was")
    begun(cut, tmp_path)
    runs = (whole.config, cut.config, spoiled.config, replace(whole.config, seed=1))
    histories, table = survey(Grid(runs), tmp_path)
    assert [h.config for h in histories] == [whole.config, cut.config]
    assert table.found.tolist()[0] == "complete"
    assert table.found[1] == "stopped, not evaluated yet"
    assert table.found[2].startswith("damaged: ")
    assert "trace.csv does not match its checksum" in table.found[2]
    assert table.found[3] == "missing"


def test_a_damaged_run_of_another_order_is_not_taken_for_the_one_that_is_missing(
    tiny_runs, tmp_path
):
    whole = tiny_runs["l2-0.05", 0]
    shutil.copytree(whole.folder, tmp_path / whole.folder.name)
    missing = tiny_runs["l2-0.0", 0].config
    other = tmp_path / replace(missing, order=3).identity("text", "cpu")
    other.mkdir()
    (other / "manifest.json").write_text("{")
    assert survey(Grid((whole.config, missing)), tmp_path)[1].found.tolist() == [
        "complete",
        "missing",
    ]


def test_a_run_is_found_by_its_text_and_not_by_the_path_of_it(tmp_path, monkeypatch):
    monkeypatch.setenv("BITNET_CACHE", str(tmp_path / "cache"))
    texts = [tmp_path / name for name in ("first.txt", "copy.txt", "other.txt")]
    for path, words in zip(texts, ("a cat sat", "a cat sat", "the end"), strict=True):
        path.write_text(f"{words}\n" * 6000)
    first, copy, other = (
        RunConfig("l2-0.0", hidden=32, steps=8, corpus=str(path)) for path in texts
    )
    fingerprint = load_corpus(first.corpus).fingerprint
    folder = tmp_path / "runs" / first.identity(fingerprint, "cpu")
    with writer_in(folder, {"corpus": {"fingerprint": fingerprint}}, config=first) as writer:
        for step in (1, 8):
            writer(record(step))
    for run in (first, copy):
        assert survey(Grid((run,)), tmp_path / "runs")[1].found.tolist() == ["complete"]
    with pytest.raises(HistoryError, match="no readable run"):
        survey(Grid((other,)), tmp_path / "runs")
    texts[0].write_text("another text under the same path\n" * 3000)
    with pytest.raises(HistoryError, match="no readable run"):
        survey(Grid((first,)), tmp_path / "runs")


def test_a_folder_without_a_run_of_the_plan_is_one_line(tmp_path):
    with pytest.raises(HistoryError, match="holds no readable run of this grid"):
        survey(PLAN, tmp_path)
    with pytest.raises(ParameterError, match="cannot be read"):
        load_plan(tmp_path / "plan.yaml")


def test_the_runs_with_weights_are_of_one_text_and_vocabulary():
    """So that one prompt is the same tokens for all of them."""
    kept = with_weights()
    assert {history.config.arm for history in kept} == {
        "l2-0.05", "l2-0.0", "adamw-0.0", "recommended"
    }  # fmt: skip
    assert len({history.vocabulary.decode(range(4096)) for history in kept}) == 1
    assert all(load_model(history) for history in kept)
