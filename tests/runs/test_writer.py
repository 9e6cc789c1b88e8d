"""Writing run folders: what they hold, how a run ends, and what a resumed one keeps."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitnet import History, Plan, execute
from bitnet.records import Diverged, Record
from bitnet.runs.history import read_manifest
from bitnet.runs.rows import TRACE_COLUMNS
from tests.support.corpus import ON_CORPUS, named_for
from tests.support.runs import FOUND, SAID, WEIGHTS, record, write, writer_in


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
    ("error", "status"),
    [
        (ValueError("no memory"), "failed"),
        (RuntimeError("no memory\nbut this much"), "failed"),
        (KeyboardInterrupt(), "stopped"),
        (Diverged("nan"), "diverged"),
    ],
)
def test_an_error_is_recorded_with_its_reason(tmp_path, error, status):
    with (
        pytest.raises(type(error)),
        writer_in(tmp_path / "run") as writer,
    ):
        writer(record(1))
        raise error
    history = History.load(tmp_path / "run")
    assert history.status == status
    assert history.manifest["reason"] == f"{type(error).__name__}: {error}".partition("\n")[0]


def test_a_killed_run_says_running_and_is_not_complete(tmp_path):
    writer = writer_in(tmp_path / "run").__enter__()
    writer(record(8))
    history = History.load(tmp_path / "run")
    assert history.status == "running"
    assert not history.complete


def test_a_run_that_resumes_keeps_its_rows(tmp_path):
    with writer_in(tmp_path / "run", {"device": {"threads": 1}}) as before:
        before(record(1))
        before(record(4))
    earlier = read_manifest(tmp_path / "run")
    with writer_in(tmp_path / "run", {"device": {"threads": 2}}, before.rows, 4, earlier) as writer:
        writer(record(8))
    history = History.load(tmp_path / "run")
    assert history.complete
    assert history.measures.step.tolist() == [1, 4, 8]
    first, second = history.manifest["sessions"]
    assert (first["from_step"], second["from_step"]) == (0, 4)
    assert [session["device"]["threads"] for session in (first, second)] == [1, 2]
    assert first["ended"] == earlier["ended"]
    assert second["ended"] == history.manifest["ended"]


def test_a_session_of_a_manifest_that_knew_none_is_kept_too(tmp_path):
    old = {
        "started": "2026-11-22T20:00:00+00:00",
        "ended": None,
        "device": {"threads": 1},
        "versions": {},
    }
    with writer_in(tmp_path / "run", {}, (), 4, old) as writer:
        writer(record(8))
    sessions = History.load(tmp_path / "run").manifest["sessions"]
    assert sessions[0] == {"from_step": None, **old}
    assert sessions[1]["from_step"] == 4
    assert read_manifest(tmp_path / "nothing") is None


def test_sessions_under_their_former_name_are_kept(tmp_path):
    known = {"from_step": 0, "started": "then", "ended": "later", "device": {}, "versions": {}}
    with writer_in(tmp_path / "run", {}, (), 4, {"sittings": [known]}) as writer:
        writer(record(8))
    manifest = History.load(tmp_path / "run").manifest
    assert [session["from_step"] for session in manifest["sessions"]] == [0, 4]
    assert manifest["sessions"][0] == known
    assert "sittings" not in manifest


@given(
    st.lists(
        st.tuples(st.floats(allow_nan=False, allow_infinity=False, width=32), st.integers(1, 4123)),
        max_size=8,
    )
)
def test_any_rows_survive_the_format(values):
    with tempfile.TemporaryDirectory() as folder:
        with writer_in(Path(folder) / "run") as writer:
            for step, (loss, count) in enumerate(values, 1):
                found = FOUND | {"unique_tokens": count, "val_loss": loss}
                writer(Record(step, loss, 1e-3, 0.1, found, WEIGHTS, SAID))
        history = History.load(Path(folder) / "run")
    assert history.measures.unique_tokens.tolist() == [count for _, count in values]
    assert history.measures.val_loss.tolist() == [
        pytest.approx(loss, rel=1e-9, abs=1e-300) for loss, _ in values
    ]


def test_a_manifest_says_what_was_run_on_what(tmp_path, corpus):
    plan = Plan(
        hidden=32, steps=8, arms="l2-0.0", device="cpu", precision="float32", runs_dir=tmp_path,
        **ON_CORPUS,
    )  # fmt: skip
    (history,) = execute(plan, named_for(plan, corpus), log=lambda line: None)
    manifest = history.manifest
    assert manifest["corpus"]["fingerprint"] == corpus.fingerprint
    assert manifest["recipe"]["stage2_decay"] == 0.0
    assert manifest["device"]["kind"] == "cpu"
    assert manifest["device"]["threads"] >= 1
    assert manifest["device"]["precision"] == "float32"
    assert manifest["versions"]["torch"]
    assert manifest["started"] <= manifest["ended"]
    assert manifest["identity"] == history.folder.name
