"""Weights kept in half the bytes: rounded, told from damaged ones, found where they are."""

import hashlib
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save, save_file

import bitnet
from bitnet import HistoryError
from bitnet.analysis.results import collect
from bitnet.committed import CHECKOUT
from bitnet.runs.grid import Grid
from bitnet.runs.history import History
from bitnet.runs.weights import keep_in_bfloat16, load_model, load_models
from bitnet.scales import MINIATURE
from tests.support.runs import reseal


@pytest.fixture
def kept(tiny_runs, tmp_path):
    """A finished run, and a copy of its folder with its weights in bfloat16 only."""
    run = tiny_runs["l2-0.0", 0]
    folder = tmp_path / run.folder.name
    shutil.copytree(run.folder, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    keep_in_bfloat16(run, folder)
    return run, History.load(folder)


def test_every_weight_is_the_trained_one_rounded(kept):
    trained, rounded = (load_model(history).state_dict() for history in kept)
    assert trained.keys() == rounded.keys()
    for name, weight in trained.items():
        assert torch.equal(rounded[name], weight.to(torch.bfloat16).float())


def test_a_dead_weight_of_float32_stays_what_it_is(tiny_runs, tmp_path, monkeypatch):
    model = load_model(tiny_runs["l2-0.0", 0])
    with torch.no_grad():
        model.lm_head.weight.fill_(1e-11)  # nothing in float16
    monkeypatch.setattr("bitnet.runs.weights.load_model", lambda history: model)
    path = keep_in_bfloat16(tiny_runs["l2-0.0", 0], tmp_path)
    from safetensors.torch import load_file

    assert load_file(path)["lm_head.weight"].float().mean().item() == pytest.approx(1e-11, rel=0.01)


def test_damage_is_named_in_one_line(kept):
    _, history = kept
    (path,) = history.folder.glob("weights-*.safetensors")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(HistoryError, match="damaged, its checksum does not match") as error:
        load_model(history)
    assert "\n" not in str(error.value)


def test_without_any_weights_the_model_is_not_there(kept):
    _, history = kept
    next(history.folder.glob("weights-*.safetensors")).unlink()
    with pytest.raises(HistoryError, match="no weights here"):
        load_model(history)


def test_weights_are_collected_of_the_chosen_runs_only(tiny_runs, tmp_path):
    runs = [tiny_runs[arm, 0] for arm in ("l2-0.0", "l2-0.05")]
    grid = Grid(tuple(run.config for run in runs))
    chosen = lambda config: config.arm == "l2-0.0"  # noqa: E731
    collect(grid, runs[0].folder.parent, tmp_path, chosen)
    found = {path.parent.name for path in tmp_path.glob("*/*.safetensors")}
    assert found == {runs[0].folder.name}


@pytest.mark.parametrize("arm", ["l2-0.05", "l2-0.0", "adamw-0.0"])
def test_the_committed_models_are_what_their_traces_say(arm):
    """State and loss are those of the last evaluation, but for what rounding moves."""
    folders = (CHECKOUT / MINIATURE.results).glob(f"{arm}-h64-v4096-t6000-s0-*")
    (folder,) = (path for path in folders if list(path.glob("weights-*.safetensors")))
    trained = bitnet.load(folder)
    assert trained.generate("The history of", tokens=8)
    states = {"l2-0.05": "dead", "l2-0.0": "diverse", "adamw-0.0": "diverse"}
    corpus = bitnet.load_corpus(vocabulary=4096, log=lambda line: None)
    measures = bitnet.measure(trained.model, bitnet.Probe.from_corpus(corpus))
    assert bitnet.state(measures, dict(trained.history.references)) == states[arm]
    assert measures["val_loss"] == pytest.approx(trained.history.rows()[-1]["val_loss"], abs=0.02)


@pytest.mark.parametrize("status", ["diverged", "stopped"])
def test_a_run_without_weights_says_why_and_not_to_delete_it(tiny_runs, status):
    history = replace(tiny_runs["l2-0.0", 0], status=status)
    with pytest.raises(HistoryError, match=f"{status}, so there is no trained model") as error:
        load_model(history)
    assert "delete" not in str(error.value)


def test_weights_of_another_model_are_refused_in_one_line(tiny_runs, tmp_path):
    history = tiny_runs["l2-0.0", 0]
    path = tmp_path / "model.safetensors"
    save_file({"lm_head.weight": torch.zeros(2, 2)}, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    changed = replace(
        history, folder=tmp_path, manifest={**history.manifest, "model_sha256": digest}
    )
    with pytest.raises(HistoryError, match="not the weights of this run") as error:
        load_model(changed)
    assert "\n" not in str(error.value)


def test_models_have_the_labels_of_their_runs_and_the_unfinished_are_left_out(tiny_runs):
    zero, one = tiny_runs["l2-0.0", 0], tiny_runs["l2-0.0", 1]
    diverged = replace(tiny_runs["adamw-0.0", 0], status="diverged")
    lines = []
    models = load_models([zero, diverged, one], lines.append)
    assert list(models) == ["l2-0.0, seed 0", "l2-0.0, seed 1"]  # none hides another
    assert lines == ["adamw-0.0, seed 0: diverged, so there is no trained model of it"]
    assert list(load_models([zero])) == ["l2-0.0"]
    with pytest.raises(HistoryError, match="no run is complete"):
        load_models([diverged], lines.append)


@pytest.mark.parametrize(
    "change", [lambda t: t.double(), lambda t: t.int(), lambda t: t * torch.nan]
)
def test_weights_that_are_sealed_and_no_numbers_of_a_model_are_refused(tiny_runs, tmp_path, change):
    folder = shutil.copytree(tiny_runs["l2-0.0", 0].folder, tmp_path / "run")
    tensors = load_file(folder / "model.safetensors")
    content = save(tensors | {"lm_head.weight": change(tensors["lm_head.weight"])})
    (folder / "model.safetensors").write_bytes(content)
    reseal(folder, model_sha256=hashlib.sha256(content).hexdigest())
    with pytest.raises(HistoryError, match=r"lm_head\.weight holds something else than finite"):
        load_model(History.load(folder))
