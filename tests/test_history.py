"""Run folders: what they hold, what counts as complete, and what is read back."""

import json

import pandas as pd
import pytest

from bitnet import History, HistoryError, Plan, RunConfig, execute
from bitnet.history import TRACE_COLUMNS, HistoryWriter, default_runs_dir
from bitnet.train import Record

CONFIG = RunConfig("l2-0.0", hidden=32, steps=8)
REFERENCES = {"ln_vocabulary": 10.8, "unigram_loss": 7.7, "unique_tokens_ceiling": 4123.0}
MEASURES = {
    "unique_predictions": 3, "unique_tokens": 60, "effective_tokens": 20.5, "top1_share": 0.2, "context_information": 1.0,
    "predictive_entropy": 5.0, "val_loss": 6.5,
}  # fmt: skip


def write(folder, steps):
    with HistoryWriter(folder, CONFIG, {"identity": "x"}, REFERENCES) as writer:
        for step in steps:
            writer(Record(step, 7.0, 1e-3, 0.1, MEASURES))
    return History.load(folder)


def test_a_finished_run_reads_back_as_it_was_written(tmp_path):
    history = write(tmp_path / "run", [1, 4, 8])
    assert history.complete
    assert history.config == CONFIG
    assert history.references == REFERENCES
    assert history.at(4) == {"step": 4, "loss": 7.0, "lr": 1e-3, "wd": 0.1, **MEASURES}
    assert history.at(5) is None
    assert history.states.tolist() == ["diverse"] * 3


def test_the_trace_has_exactly_the_seeds_columns(tmp_path):
    write(tmp_path / "run", [1, 8])
    lines = (tmp_path / "run" / "trace.csv").read_text().splitlines()
    assert lines[0] == ",".join(TRACE_COLUMNS) == "Step,Loss,UniquePredictions,LR,WD"
    assert lines[1:] == ["1,7.0,3,0.001,0.1", "8,7.0,3,0.001,0.1"]


def test_a_run_that_ends_early_is_not_complete(tmp_path):
    history = write(tmp_path / "run", [1, 4])
    assert history.status == "stopped"
    assert not history.complete


@pytest.mark.parametrize(("error", "status"), [(ValueError("no memory"), "failed"), (KeyboardInterrupt(), "stopped")])
def test_an_error_is_recorded_with_its_reason(tmp_path, error, status):
    with pytest.raises(type(error)), HistoryWriter(tmp_path / "run", CONFIG, {}, REFERENCES) as writer:
        writer(Record(1, 7.0, 1e-3, 0.1, MEASURES))
        raise error
    history = History.load(tmp_path / "run")
    assert history.status == status
    assert type(error).__name__ in history.manifest["reason"]


def test_a_killed_run_says_running_and_is_not_complete(tmp_path):
    writer = HistoryWriter(tmp_path / "run", CONFIG, {}, REFERENCES).__enter__()
    writer(Record(8, 7.0, 1e-3, 0.1, MEASURES))
    history = History.load(tmp_path / "run")
    assert history.status == "running"
    assert not history.complete


def test_a_manifest_that_claims_too_much_is_not_believed(tmp_path):
    write(tmp_path / "run", [1, 4])
    path = tmp_path / "run" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"status": "complete"}))
    assert not History.load(tmp_path / "run").complete


@pytest.mark.parametrize("damage", ["no manifest", "torn manifest", "newer format", "no measures"])
def test_a_damaged_folder_is_refused_in_one_line(tmp_path, damage):
    write(tmp_path / "run", [1, 8])
    manifest = tmp_path / "run" / "manifest.json"
    if damage == "no manifest":
        manifest.unlink()
    elif damage == "torn manifest":
        manifest.write_text(manifest.read_text()[:50])
    elif damage == "newer format":
        manifest.write_text(manifest.read_text().replace('"format": 1', '"format": 99'))
    else:
        (tmp_path / "run" / "measures.csv").write_text("")
    with pytest.raises(HistoryError) as error:
        History.load(tmp_path / "run")
    assert str(tmp_path / "run") in str(error.value)
    assert "\n" not in str(error.value)


def test_the_runs_folder_can_be_chosen_by_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("BITNET_RUNS", str(tmp_path))
    assert default_runs_dir() == tmp_path


def test_the_same_run_is_read_back_and_an_unfinished_one_is_trained(tmp_path, corpus):
    said, records = [], []
    plan = Plan(hidden=32, steps=8, arms="adamw-0.0", device="cpu", runs_dir=tmp_path)
    first = execute(plan, corpus, say=said.append)[0]
    assert first.complete
    assert said == []
    again = execute(plan, corpus, [lambda config, record: records.append(record)], said.append)[0]
    assert records == []
    assert "read back" in said[0]
    pd.testing.assert_frame_equal(again.measures, first.measures)
    path = first.folder / "manifest.json"
    path.write_text(path.read_text().replace('"complete"', '"running"'))
    third = execute(plan, corpus, [lambda config, record: records.append(record)], said.append)[0]
    assert records
    pd.testing.assert_frame_equal(third.measures, first.measures)


def test_a_manifest_says_what_was_run_on_what(tmp_path, corpus):
    history = execute(Plan(hidden=32, steps=8, arms="l2-0.0", device="cpu", runs_dir=tmp_path), corpus)[0]
    manifest = history.manifest
    assert manifest["corpus"]["fingerprint"] == corpus.fingerprint
    assert manifest["recipe"]["stage2_decay"] == 0.0
    assert manifest["device"]["kind"] == "cpu"
    assert manifest["device"]["threads"] >= 1
    assert manifest["device"]["precision"] == "float32"
    assert manifest["versions"]["torch"]
    assert manifest["started"] <= manifest["ended"]
    assert manifest["identity"] == history.folder.name
