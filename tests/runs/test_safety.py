"""Nothing of unknown origin is executed, nothing is read or written outside the folders named."""

import json
import os
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bitnet import ARMS, History, HistoryError, Plan, RunConfig, execute, judge, load_corpus
from bitnet.display.report import write_report
from bitnet.runs.checkpoint import Checkpoint, latest, save
from bitnet.runs.history import seal
from bitnet.runs.trained import load
from bitnet.runs.weights import load_model
from tests.support.corpus import ON_CORPUS, named_for
from tests.support.runs import WRITTEN, write, writer_in

FOREIGN = [
    {"arm": "../../etc"},
    {"arm": "l2-0.0+peak_lr=../../etc"},
    {"hidden": "__import__('os')"},
    {"surprise": 1},
    {"seed": None},
]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def small_plan(runs_dir):
    return Plan(
        hidden=16, steps=8, arms="l2-0.0", device="cpu", runs_dir=runs_dir,
        probe_positions=62, eval_every=8, **ON_CORPUS,
    )  # fmt: skip


class Bomb:
    """Unpickling this leaves a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture
def bomb(tmp_path):
    fuse = tmp_path / "exploded"
    yield pickle.dumps(Bomb(fuse))
    assert not fuse.exists()


def test_a_pickle_in_the_place_of_a_token_cache_is_not_loaded(tmp_path, bomb):
    text = tmp_path / "text.txt"
    text.write_text("The quick brown fox jumps over the lazy dog. " * 2000)
    first = load_corpus(str(text), cache_dir=tmp_path / "cache")
    cached = next((tmp_path / "cache").glob("tokens-*.npy"))
    cached.write_bytes(bomb)
    assert load_corpus(str(text), cache_dir=tmp_path / "cache").fingerprint == first.fingerprint
    with cached.open("wb") as file:
        np.save(file, np.array([Bomb(tmp_path / "exploded")], dtype=object), allow_pickle=True)
    assert load_corpus(str(text), cache_dir=tmp_path / "cache").fingerprint == first.fingerprint


def test_a_pickle_in_the_place_of_a_checkpoint_is_not_loaded(tmp_path, bomb):
    save(tmp_path, Checkpoint(10, {}, []))
    next(tmp_path.glob("*.safetensors")).write_bytes(bomb)
    assert latest(tmp_path) is None


def test_a_pickle_in_the_place_of_weights_is_not_loaded(tmp_path, bomb):
    history = write(tmp_path / "run", [1, 8])
    (tmp_path / "run" / "model.safetensors").write_bytes(bomb)
    with pytest.raises(HistoryError, match="damaged"):
        load_model(history)


@pytest.mark.parametrize("entry", FOREIGN, ids=str)
def test_a_foreign_manifest_is_refused(tmp_path, entry):
    class Foreign(RunConfig):
        def to_dict(self):
            return super().to_dict() | entry

    with writer_in(tmp_path / "run", config=Foreign(WRITTEN.arm, hidden=32, steps=8)):
        pass
    with pytest.raises(HistoryError, match="not a readable run folder"):
        History.load(tmp_path / "run")


def test_the_name_of_a_run_is_one_plain_folder_name():
    for arm in (*ARMS, {"base": "l2-0.0", "peak_lr": 1e-300, "clip_norm": 1e12}):
        name = RunConfig(arm, corpus="../../somewhere/else.txt").identity("fingerprint", "cpu")
        assert Path(name).name == name
        assert ".." not in name


def test_a_study_writes_only_below_its_runs_folder_and_beside_its_report(
    tmp_path, corpus, monkeypatch
):
    for name in ("runs", "reports", "cwd"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    plan = small_plan(tmp_path / "runs")
    histories = execute(plan, named_for(plan, corpus))
    for _ in range(2):
        write_report(tmp_path / "reports" / "mine", plan, histories, [], judge(histories))
    assert names(tmp_path) == ["cwd", "reports", "runs"]
    assert names(tmp_path / "cwd") == []
    assert names(tmp_path / "runs") == sorted([".locks", histories[0].folder.name])
    assert names(tmp_path / "reports") == [".mine.lock", "mine", "mine.previous"]


def test_markup_from_a_manifest_is_escaped_in_the_report(tmp_path, corpus):
    plan = small_plan(tmp_path / "runs")
    (history,) = execute(plan, named_for(plan, corpus))
    nasty = "<script>alert('x')</script>"
    manifest = dict(history.manifest) | {
        "identity": nasty,
        "corpus": {"name": nasty, "tokens": 1, "fingerprint": nasty},
    }
    spoiled = replace(history, manifest=manifest)
    page = (
        write_report(tmp_path / "report", plan, [spoiled], [], judge([spoiled])) / "report.html"
    ).read_text()
    assert nasty not in page
    assert "&lt;script&gt;" in page


def resealed(folder, **changes):
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text()) | changes
    path.write_text(json.dumps(manifest | {"sha256": seal(manifest)}))


@pytest.mark.parametrize("name", ["../secret", "/dev/zero", "/etc/passwd", ".."])
def test_a_manifest_names_no_file_outside_its_folder(tmp_path, name):
    write(tmp_path / "run", [1, 8])
    resealed(tmp_path / "run", files={name: "0" * 64})
    with pytest.raises(HistoryError, match="has not the checksums of a run's files"):
        History.load(tmp_path / "run")


@pytest.mark.parametrize(
    "name", ["manifest.json", "trace.csv", "measures.csv", "snapshots.jsonl", "extra.tmp"]
)
@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_a_run_folder_with_a_link_or_a_pipe_is_not_read(tmp_path, name, kind):
    write(tmp_path / "run", [1, 8])
    resealed(tmp_path / "run", files={})
    path = tmp_path / "run" / name
    if path.exists():
        path.rename(tmp_path / "moved")
    if kind == "link":
        path.symlink_to(tmp_path / "moved")
    else:
        os.mkfifo(path)
    with pytest.raises(HistoryError, match=f"{name} is (a symbolic link|not a regular file)"):
        History.load(tmp_path / "run")


def test_json_of_a_run_that_is_nested_deep_is_one_line(tmp_path):
    write(tmp_path / "run", [1, 8])
    (tmp_path / "run" / "manifest.json").write_text("[" * 200_000)
    with pytest.raises(HistoryError, match="nested more than 32 deep"):
        History.load(tmp_path / "run")


def test_training_writes_through_no_link(tmp_path, corpus):
    plan = small_plan(tmp_path / "runs")
    (trained,) = execute(plan, named_for(plan, corpus))
    shutil.rmtree(trained.folder)
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "a.tmp").write_text("mine")

    def refused(why):
        with pytest.raises(HistoryError, match=f"cannot be written .*{why}"):
            execute(plan, named_for(plan, corpus))
        assert names(victim) == ["a.tmp"]
        assert (victim / "a.tmp").read_text() == "mine"

    trained.folder.symlink_to(victim)
    refused(f"{trained.folder.name} is a symbolic link")
    trained.folder.unlink()
    trained.folder.mkdir()
    (trained.folder / "trace.csv.tmp").symlink_to(victim / "a.tmp")
    refused(r"trace\.csv\.tmp is a symbolic link")
    (trained.folder / "trace.csv.tmp").unlink()
    shutil.rmtree(tmp_path / "runs" / ".locks")
    (tmp_path / "runs" / ".locks").symlink_to(victim)
    refused(r"\.locks is a symbolic link")


def test_weights_that_are_a_link_or_of_another_model_are_refused(tmp_path, corpus):
    plan = small_plan(tmp_path / "runs")
    (history,) = execute(plan, named_for(plan, corpus))
    weights = history.folder / "model.safetensors"
    weights.rename(tmp_path / "elsewhere")
    weights.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(HistoryError, match="symbolic link"):
        load_model(history)
    weights.unlink()
    save(tmp_path, Checkpoint(1, {}, []))
    shutil.copy(tmp_path / "checkpoint-000000001.safetensors", weights)
    digest = json.loads((tmp_path / "checkpoint-000000001.json").read_text())["tensors"]
    resealed(history.folder, model_sha256=digest)
    with pytest.raises(HistoryError, match="not the weights of this run"):
        load(history.folder)
