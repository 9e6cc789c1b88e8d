"""Run folders: what they hold, what counts as complete, and what is read back."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitnet import History, HistoryError, Plan, RunConfig, execute
from bitnet.health import HEALTH
from bitnet.history import (
    FORMAT,
    TRACE_COLUMNS,
    HistoryWriter,
    NewerFormatError,
    UnreadableError,
    default_runs_dir,
    read_manifest,
)
from bitnet.observe import Snapshot
from bitnet.train import Diverged, Record

CONFIG = RunConfig("l2-0.0", hidden=32, steps=8)
REFERENCES = {"ln_vocabulary": 10.8, "unigram_loss": 7.7, "unique_tokens_ceiling": 4123.0}
MEASURES = {
    "unique_predictions": 3, "unique_tokens": 60, "effective_tokens": 20.5, "top1_share": 0.2, "context_information": 1.0,
    "predictive_entropy": 5.0, "val_loss": 6.5, "seq_rep_4": 0.1, "distinct_1": 0.5, "distinct_2": 0.8,
}  # fmt: skip
HEALTHY = dict.fromkeys(HEALTH, 0.25)
SAID = Snapshot([[262, 0.2, 0.05]], [[1, 59], [1000, 1]], [[[262, 0.5]]], [[262, 1, 2]])


def record(step):
    return Record(step, 7.0, 1e-3, 0.1, MEASURES, HEALTHY, SAID)


def write(folder, steps):
    with HistoryWriter(folder, CONFIG, {"identity": "x"}, REFERENCES) as writer:
        for step in steps:
            writer(record(step))
    return History.load(folder)


def test_a_finished_run_reads_back_as_it_was_written(tmp_path):
    history = write(tmp_path / "run", [1, 4, 8])
    assert history.complete
    assert history.config == CONFIG
    assert history.references == REFERENCES
    assert history.at(4) == {"step": 4, "loss": 7.0, "lr": 1e-3, "wd": 0.1, **MEASURES}
    assert history.at(5) is None
    assert history.states.tolist() == ["diverse"] * 3
    assert history.health.step.tolist() == [1, 4, 8]
    assert history.health.zero.tolist() == [0.25] * 3
    assert history.snapshots == [SAID] * 3


def test_the_trace_has_exactly_the_seeds_columns(tmp_path):
    write(tmp_path / "run", [1, 8])
    lines = (tmp_path / "run" / "trace.csv").read_text().splitlines()
    assert lines[0] == ",".join(TRACE_COLUMNS) == "Step,Loss,UniquePredictions,LR,WD"
    assert lines[1:] == ["1,7.0,3,0.001,0.1", "8,7.0,3,0.001,0.1"]


def test_a_run_that_ends_early_is_not_complete(tmp_path):
    history = write(tmp_path / "run", [1, 4])
    assert history.status == "stopped"
    assert not history.complete


@pytest.mark.parametrize(
    ("error", "status"), [(ValueError("no memory"), "failed"), (KeyboardInterrupt(), "stopped"), (Diverged("nan"), "diverged")]
)
def test_an_error_is_recorded_with_its_reason(tmp_path, error, status):
    with pytest.raises(type(error)), HistoryWriter(tmp_path / "run", CONFIG, {}, REFERENCES) as writer:
        writer(record(1))
        raise error
    history = History.load(tmp_path / "run")
    assert history.status == status
    assert type(error).__name__ in history.manifest["reason"]


def test_a_killed_run_says_running_and_is_not_complete(tmp_path):
    writer = HistoryWriter(tmp_path / "run", CONFIG, {}, REFERENCES).__enter__()
    writer(record(8))
    history = History.load(tmp_path / "run")
    assert history.status == "running"
    assert not history.complete


def test_a_run_that_goes_on_keeps_its_rows(tmp_path):
    with HistoryWriter(tmp_path / "run", CONFIG, {"device": {"threads": 1}}, REFERENCES) as before:
        before(record(1))
        before(record(4))
    earlier = read_manifest(tmp_path / "run")
    with HistoryWriter(tmp_path / "run", CONFIG, {"device": {"threads": 2}}, REFERENCES, before.rows, 4, earlier) as writer:
        writer(record(8))
    history = History.load(tmp_path / "run")
    assert history.complete
    assert history.measures.step.tolist() == [1, 4, 8]
    first, second = history.manifest["sittings"]
    assert (first["from_step"], second["from_step"]) == (0, 4)
    assert (first["device"], second["device"]) == ({"threads": 1}, {"threads": 2})
    assert first["ended"] == earlier["ended"]
    assert second["ended"] == history.manifest["ended"]


def test_a_sitting_of_a_manifest_that_knew_none_is_kept_too(tmp_path):
    old = {"started": "2026-11-22T20:00:00+00:00", "ended": None, "device": {"threads": 1}, "versions": {}}
    with HistoryWriter(tmp_path / "run", CONFIG, {}, REFERENCES, (), 4, old) as writer:
        writer(record(8))
    sittings = History.load(tmp_path / "run").manifest["sittings"]
    assert sittings[0] == {"from_step": None, **old}
    assert sittings[1]["from_step"] == 4
    assert read_manifest(tmp_path / "nothing") is None


def damage(path, how):
    content = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "truncated":
        path.write_bytes(content[: len(content) // 2])
    else:  # one digit becomes another: still well-formed
        position = next(i for i in range(len(content) // 2, len(content)) if content[i : i + 1].isdigit())
        path.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])


@pytest.mark.parametrize("name", ["manifest.json", "trace.csv", "measures.csv", "health.csv", "snapshots.jsonl"])
@pytest.mark.parametrize("how", ["missing", "truncated", "flipped"])
def test_damage_is_found_and_named_in_one_line(tmp_path, name, how):
    write(tmp_path / "run", [1, 8])
    damage(tmp_path / "run" / name, how)
    with pytest.raises(HistoryError) as error:
        History.load(tmp_path / "run")
    assert str(tmp_path / "run") in str(error.value)
    assert "\n" not in str(error.value)


def test_what_cannot_be_read_just_now_is_not_called_damaged(tmp_path, monkeypatch):
    write(tmp_path / "run", [1, 8])

    def fail(self, *_):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(Path, "read_text", fail)
    with pytest.raises(UnreadableError, match=r"cannot be read .*Too many open files.*left as it is"):
        History.load(tmp_path / "run")


def test_a_newer_format_is_refused(tmp_path):
    write(tmp_path / "run", [1, 8])
    manifest = tmp_path / "run" / "manifest.json"
    manifest.write_text(manifest.read_text().replace(f'"format": {FORMAT}', '"format": 99'))
    with pytest.raises(NewerFormatError, match="newer version"):
        History.load(tmp_path / "run")


@given(st.lists(st.tuples(st.floats(allow_nan=False, allow_infinity=False, width=32), st.integers(1, 4123)), max_size=8))
def test_any_rows_survive_the_format(values):
    with tempfile.TemporaryDirectory() as folder:
        with HistoryWriter(Path(folder) / "run", CONFIG, {}, REFERENCES) as writer:
            for step, (loss, count) in enumerate(values, 1):
                writer(Record(step, loss, 1e-3, 0.1, MEASURES | {"unique_tokens": count, "val_loss": loss}, HEALTHY, SAID))
        history = History.load(Path(folder) / "run")
    assert history.measures.unique_tokens.tolist() == [count for _, count in values]
    assert history.measures.val_loss.tolist() == [pytest.approx(loss, rel=1e-9, abs=1e-300) for loss, _ in values]


def test_the_runs_folder_can_be_chosen_by_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("BITNET_RUNS", str(tmp_path))
    assert default_runs_dir() == tmp_path


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
