"""Nothing of unknown origin is executed, nothing is written outside the folders named."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bitnet import ARMS, History, HistoryError, Plan, RunConfig, execute, judge, load_corpus
from bitnet.display.report import write_report
from bitnet.runs.checkpoint import Checkpoint, latest, save
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
