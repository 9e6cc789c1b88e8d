"""The export of a run: whole or not at all, and what is refused in one line."""

import errno
import os
import re
import shutil
import signal
import sys
from pathlib import Path

import pytest
import torch

import bitnet
from bitnet import HistoryError, ParameterError
from bitnet.extras import remedy
from bitnet.hf import export as module
from bitnet.hf import layout
from bitnet.hf.agreement import ExportError
from tests.support.exports import MOMENTS, WITHOUT, export_and_pause
from tests.support.processes import start
from tests.support.runs import write as write_run

pytestmark = pytest.mark.long("transformers")


@pytest.fixture
def folder(tiny_runs):
    return tiny_runs["l2-0.0", 0].folder


@pytest.mark.parametrize("arm", ["adamw-0.0", "fp-adamw-0.0"])
def test_a_pipeline_writes_what_the_run_writes(tiny_runs, tmp_path, load, arm):
    from transformers import AutoTokenizer, pipeline

    run, lines = tiny_runs[arm, 0], []
    out = bitnet.export(run.folder, tmp_path / "deep" / "out", log=lines.append)
    assert any("bit" in line for line in lines)
    trust = {"trust_remote_code": arm.startswith("fp")}
    tokenizer = AutoTokenizer.from_pretrained(out, **trust)
    write = pipeline("text-generation", model=load(out, **trust), tokenizer=tokenizer)
    (said,) = write("ab", max_new_tokens=20, do_sample=False)
    assert said["generated_text"] == "ab" + bitnet.load(run.folder).generate("ab", tokens=20)


def test_an_empty_folder_is_a_target(folder, tmp_path):
    out = bitnet.export(folder, tmp_path, packed=True, log=print)
    assert {path.name for path in out.iterdir()} == {
        "README.md", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
    }  # fmt: skip


def refused(run, out, error, match, **options):
    """It ends in one line of that error, and leaves everything around `out` as it was."""
    around = sorted(out.parent.rglob("*"))
    with pytest.raises(error, match=match) as found:
        bitnet.export(run, out, log=lambda line: pytest.fail(line), **options)
    assert "\n" not in str(found.value)
    assert sorted(out.parent.rglob("*")) == around


def test_a_run_without_a_model_is_refused(folder, tmp_path):
    unfinished, lost = tmp_path / "unfinished", tmp_path / "lost"
    write_run(unfinished, [2, 4])
    shutil.copytree(folder, lost)
    (lost / "model.safetensors").unlink()
    refused(unfinished, tmp_path / "out", HistoryError, "so there is no trained model")
    refused(lost, tmp_path / "out", HistoryError, "no weights here")
    refused(tmp_path / "absent", tmp_path / "out", HistoryError, "no folder, and no run begins so")
    (lost / "measures.csv").write_text("damaged")
    refused(lost, tmp_path / "out", HistoryError, "does not match its checksum")


def test_a_target_that_is_taken_is_refused_before_any_work(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "write_model", lambda *_: pytest.fail("it was begun"))
    (tmp_path / "file").write_text("kept")
    for name, match in {
        "file": "is no folder", "file/below": "cannot be written", "": "must be a new folder",
    }.items():  # fmt: skip
        refused(folder, tmp_path / name, ParameterError, f"^out = .*{match}")


def test_full_precision_is_not_packed(tiny_runs, tmp_path):
    run = tiny_runs["fp-adamw-0.0", 0].folder
    refused(run, tmp_path / "out", ParameterError, "^packed = True", packed=True)
    refused(run, tmp_path / "out", ParameterError, "^packed = 'yes'", packed="yes")


@pytest.mark.parametrize("package", ["transformers", "accelerate"])
def test_a_missing_package_is_named_with_its_remedy(folder, tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    refused(folder, tmp_path / "out", ExportError, f"{package}.*{re.escape(remedy('export'))}")


def test_a_full_disk_and_an_interrupt_leave_nothing(folder, tmp_path, monkeypatch):
    class Full:
        def __init__(self, error):
            self.error = error

        def __call__(self, folder, *_):
            (folder / "config.json").write_text("{}")
            raise self.error

    full = OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(module, "write_model", Full(full))
    refused(folder, tmp_path / "out", ParameterError, "No space left on device")
    monkeypatch.setattr(module, "write_model", Full(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        bitnet.export(folder, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_is_another_model_is_not_left(folder, tmp_path, monkeypatch):
    def wrong(weight):
        values, scale = torch.sign(weight), weight.abs().mean()
        return values, scale

    monkeypatch.setattr(layout, "ternary", wrong)
    refused(folder, tmp_path / "out", ExportError, "computes another model")


@pytest.fixture
def without(monkeypatch):
    """An export that does not ask transformers, which takes seconds."""
    for name, stand_in in WITHOUT.items():
        monkeypatch.setattr(module, name, stand_in)


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at_any_moment_it_leaves_no_export_and_the_next_one_none_of_its_files(
    folder, tmp_path, without, moment
):
    process, connection = start(export_and_pause, folder, tmp_path / "out", moment)
    connection.recv()
    process.kill()
    process.join()
    assert not (tmp_path / "out").exists()
    assert len(list(tmp_path.iterdir())) == 1  # half written, under another name
    bitnet.export(folder, tmp_path / "out", log=lambda line: None)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert {"README.md", "model.safetensors"} <= {path.name for path in tmp_path.glob("out/*")}
    assert not (tmp_path / "out" / ".lock").exists()


def test_what_another_process_is_at_is_left_to_it(folder, tmp_path, without):
    process, connection = start(export_and_pause, folder, tmp_path / "out", "card")
    connection.recv()
    bitnet.export(folder, tmp_path / "out", log=lambda line: None)
    assert len(list(tmp_path.iterdir())) == 2
    whole = (tmp_path / "out" / "model.safetensors").read_bytes()
    connection.send("go on")
    process.join()
    assert process.exitcode == 1  # the name is taken
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == whole


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_nothing_half_done(folder, tmp_path, without, number):
    process, connection = start(export_and_pause, folder, tmp_path / "out", "card")
    connection.recv()
    os.kill(process.pid, number)
    process.join()
    assert not (tmp_path / "out").exists()
    if number == signal.SIGINT:  # SIGTERM is Ctrl-C in the command alone
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("writing", ["write_text", "write_bytes"])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_disk_that_is_full_at_any_file_is_one_line(
    folder, tmp_path, without, monkeypatch, writing, at
):
    whole, calls = getattr(Path, writing), iter(range(1, 99))

    def write(path, *arguments, **named):
        if next(calls) == (at if writing == "write_text" else 1):
            raise OSError(errno.ENOSPC, "No space left on device")
        return whole(path, *arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(Path, writing, write)
        refused(folder, tmp_path / "out", ParameterError, "^out = .*No space left on device")
    bitnet.export(folder, tmp_path / "out", log=lambda line: None)
    assert (tmp_path / "out" / "README.md").exists()
