"""Every file of a run folder, damaged: read right or refused in one line, never a wrong result."""

import hashlib
import json

import pandas as pd
import pytest
import torch
from safetensors.torch import load, save

from bitnet import History, judge
from bitnet.analysis.counts import final_counts
from bitnet.commands.runs import cells
from bitnet.runs.history import seal
from bitnet.runs.trained import TrainedRun
from bitnet.runs.weights import load_model
from tests.support.mutations import (
    MEANING,
    as_json,
    changed,
    fuzz,
    mutated,
    sha256,
)
from tests.support.runs import reseal
from tests.support.tensors import forms, other_tensors, with_header

TABLES = ("trace.csv", "measures.csv", "health.csv", "snapshots.jsonl", "merges.txt")
WEIGHT_FILE = "model.safetensors"


@pytest.fixture(scope="module")
def contents(tiny_runs):
    """The bytes of each file of a finished run."""
    folder = tiny_runs["l2-0.0", 0].folder
    return folder.name, {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def folder(contents, tmp_path, monkeypatch):
    """A copy of the run; nothing is written beside it or in it by what reads it."""
    here, found = tmp_path / "runs" / contents[0], contents[1]
    here.mkdir(parents=True)
    monkeypatch.chdir(here.parent)  # what goes to a relative path is seen too
    for name, content in found.items():
        (here / name).write_bytes(content)
    yield here
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
    assert [path.name for path in here.parent.iterdir()] == [here.name]
    assert {path.name for path in here.iterdir()} == set(found)


@pytest.fixture
def put(contents, folder):
    """A function that makes the run what it was, but for the content of one file."""
    damaged = set()

    def put(name, content):
        for other in (*damaged, "manifest.json"):
            (folder / other).write_bytes(contents[1][other])
        damaged.clear()
        damaged.add(name)
        (folder / name).write_bytes(content)

    return put


def used(folder, beside=()):
    """What is done with a history, alone and beside others: a result, whatever its numbers are."""
    history = History.load(folder)
    assert len(history.states) == len(history.rows()) == len(history.snapshots)
    if history.evaluated:
        final_counts([history])
        history.snapshot_at()
    judge([history, *beside])
    assert all(isinstance(cell, str) for cell in cells(history))
    assert history.vocabulary.size == history.config.vocabulary
    return "used"


def test_a_damaged_file_is_read_right_or_refused(folder, put, contents, tiny_runs):
    expected, found = tiny_runs["l2-0.0", 0], contents[1]
    whole = hashlib.sha256(save(load_model(expected).state_dict())).digest()

    def case(draw):
        name = draw.choice(list(found))
        kind, content = mutated(found[name], found[draw.choice(list(found))], draw)
        put(name, content)

        def act():
            history = History.load(folder)
            pd.testing.assert_frame_equal(history.measures, expected.measures, check_exact=True)
            pd.testing.assert_frame_equal(history.health, expected.health, check_exact=True)
            assert history.manifest == expected.manifest
            assert history.snapshots == expected.snapshots
            assert history.vocabulary.to_text().encode() == found["merges.txt"]
            weights = save(load_model(history).state_dict())
            assert hashlib.sha256(weights).digest() == whole
            return "read"

        return f"{name}, {kind}", act

    assert fuzz("a run's files", case)["refused"] > 1 / 2


def test_a_damaged_table_that_is_resealed_is_used_or_refused(folder, put, contents, tiny_runs):
    found = contents[1]

    def case(draw):
        name = draw.choice(TABLES)
        if name == "snapshots.jsonl" and draw.random() < 0.8:
            lines = found[name].splitlines()
            at = draw.randrange(len(lines))
            kind, lines[at] = "value", as_json(changed(json.loads(lines[at]), draw))
            content = b"\n".join(lines)
        else:
            kinds = dict.fromkeys(["cell"], MEANING["cell"]) if draw.random() < 0.5 else MEANING
            kind, content = mutated(found[name], found["trace.csv"], draw, kinds)
        put(name, content)
        reseal(folder)
        return f"{name}, {kind}", lambda: used(folder, [tiny_runs["l2-0.05", 0]])

    assert set(fuzz("its tables, resealed", case)) == {"used", "refused"}


def test_a_changed_manifest_that_is_resealed_is_used_or_refused(folder, put, contents, tiny_runs):
    found = contents[1]
    whole = json.loads(found["manifest.json"])

    def case(draw):
        manifest = changed(whole, draw)
        if isinstance(manifest, dict):
            manifest |= {"sha256": seal(manifest)}
        put("manifest.json", as_json(manifest))
        pairs = manifest.items() if isinstance(manifest, dict) else []
        told = {k: v for k, v in pairs if k != "sha256" and whole.get(k, "absent") != v}
        return f"manifest {str(told)[:150]}", lambda: used(folder, [tiny_runs["l2-0.05", 0]])

    assert set(fuzz("its manifest, resealed", case)) == {"used", "refused"}


def test_damaged_weights_that_are_resealed_are_read_right_or_refused(folder, put, contents):
    found = contents[1]
    whole = load(found[WEIGHT_FILE])

    def case(draw):
        draws = draw.random()
        if draws < 0.4:
            kind, content = "header", with_header(found[WEIGHT_FILE], draw)
        elif draws < 0.7:
            kind, changed_tensors = other_tensors(whole, draw)
            content = save(changed_tensors)
        else:
            kind, content = mutated(found[WEIGHT_FILE], found["trace.csv"], draw)
        put(WEIGHT_FILE, content)
        reseal(folder, model_sha256=sha256(content))

        def act():
            history = History.load(folder)
            model = load_model(history)
            said = load(content)  # by the library alone
            assert {n: (t.shape, t.dtype) for n, t in said.items()} == forms(whole)
            for name, tensor in model.state_dict().items():
                assert torch.equal(tensor, said[name])
                assert tensor.isfinite().all()
            assert isinstance(TrainedRun(history, model, history.vocabulary).generate("a", 2), str)
            return "used"

        return kind, act

    ends = fuzz("its weights, resealed", case)
    assert ends["refused"] > 1 / 3
    assert ends["used"] > 0
