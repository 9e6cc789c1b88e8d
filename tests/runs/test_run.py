"""Runs that survive: loaded, resumed bit for bit, one process at a time; failures do not spread."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from filelock import FileLock

from bitnet import History, HistoryError, ParameterError, Plan, RunConfig, execute
from bitnet.runs.checkpoint import save as save_checkpoint
from bitnet.runs.history import FORMAT
from bitnet.runs.run import Stop, run
from bitnet.runs.weights import load_model
from bitnet.train import Trainer
from tests.support.corpus import ON_CORPUS, VOCABULARY, named_for
from tests.support.equality import same
from tests.support.processes import start
from tests.support.runs import CPU, TRAINED, train_and_tell_modules, train_elsewhere

LABEL = "l2-0.05, hidden 16, vocabulary 2048, 60 steps, seed 0"


def train(corpus, folder, **named):
    lines = []
    history = run(TRAINED, corpus, folder, CPU, log=lines.append, **named)
    return history, lines


def finished(uninterrupted, folder):
    """A copy of the finished run in another runs folder."""
    return History.load(shutil.copytree(uninterrupted.folder, folder / uninterrupted.folder.name))


def interrupt_at(step):
    def callback(config, record):
        if record.step == step:
            raise KeyboardInterrupt

    return callback


@pytest.fixture(scope="module")
def uninterrupted(corpus, shared_runs):
    return train(corpus, shared_runs)[0]


def test_a_finished_run_is_loaded(uninterrupted, corpus):
    history, lines = train(corpus, uninterrupted.folder.parent, callbacks=[interrupt_at(1)])
    assert history.complete
    assert "complete, loaded from" in lines[0]
    assert same(history, uninterrupted)


def test_a_finished_run_leaves_weights_and_no_checkpoint(uninterrupted):
    names = {path.name for path in uninterrupted.folder.iterdir()}
    assert names == {
        "manifest.json",
        "trace.csv",
        "measures.csv",
        "health.csv",
        "snapshots.jsonl",
        "model.safetensors",
        "merges.txt",
    }


@pytest.mark.parametrize("step", [1, 10, 30, 40, 50])
def test_an_interrupted_run_resumes_bit_for_bit(uninterrupted, corpus, tmp_path, step):
    with pytest.raises(KeyboardInterrupt):
        train(corpus, tmp_path, callbacks=[interrupt_at(step)], checkpoint_every=10)
    cut = History.load(next(tmp_path.glob("l2*")))
    assert cut.status == "stopped"
    assert not cut.complete
    history, lines = train(corpus, tmp_path, checkpoint_every=10)
    assert history.complete
    assert same(history, uninterrupted)
    # The callbacks come before a step's own checkpoint is written.
    assert [line for line in lines if "resumes from step" in line] == (
        [f"{LABEL}: resumes from step {step - 10}"] if step > 10 else []
    )


def small_plan(folder, **named):
    return Plan(
        hidden=16, device="cpu", runs_dir=folder, eval_every=99, probe_positions=62,
        **(ON_CORPUS | named),
    )  # fmt: skip


def stop_at(*steps):
    def callback(config, record):
        if record.step in steps:
            raise Stop

    return callback


@pytest.mark.parametrize("step", [1, 20, 30, 40, 60])
def test_a_stopped_run_resumes_from_that_very_step_bit_for_bit(
    uninterrupted, corpus, tmp_path, step
):
    """Also where no checkpoint was due, and after the last step."""
    with pytest.raises(Stop):
        train(corpus, tmp_path, callbacks=[stop_at(step)])
    cut = History.load(next(tmp_path.glob("l2*")))
    assert (cut.status, cut.manifest["last_step"]) == ("stopped", step)
    assert not cut.complete
    history, lines = train(corpus, tmp_path)
    assert lines == [f"{LABEL}: resumes from step {step}"]
    assert history.complete
    assert same(history, uninterrupted)
    pd.testing.assert_frame_equal(history.health, uninterrupted.health, check_exact=True)
    assert history.snapshots == uninterrupted.snapshots
    assert not list(history.folder.glob("checkpoint*"))


def test_a_run_in_another_order_resumes_bit_for_bit(uninterrupted, corpus, tmp_path):
    config = replace(TRAINED, order=5)
    whole = run(config, corpus, tmp_path / "whole", CPU)
    with pytest.raises(Stop):
        run(config, corpus, tmp_path, CPU, [stop_at(30)])
    lines = []
    history = run(config, corpus, tmp_path, CPU, log=lines.append)
    assert lines == [f"{LABEL}, order 5: resumes from step 30"]
    assert same(history, whole)
    assert (history.folder / "merges.txt").read_bytes() == (
        uninterrupted.folder / "merges.txt"
    ).read_bytes()
    assert history.folder.name != uninterrupted.folder.name
    # The same probe of the same initial weights; other text from the first update on.
    assert history.references == uninterrupted.references
    assert history.measures.loss.iloc[0] != uninterrupted.measures.loss.iloc[0]


def test_a_lost_vocabulary_is_written_again_by_the_run_that_resumes(
    uninterrupted, corpus, tmp_path
):
    with pytest.raises(Stop):
        train(corpus, tmp_path, callbacks=[stop_at(30)])
    path = next(tmp_path.glob("l2*")) / "merges.txt"
    path.unlink()
    history, _ = train(corpus, tmp_path)
    assert same(history, uninterrupted)
    assert path.read_text(encoding="utf-8") == corpus.vocabulary.to_text()


@pytest.mark.parametrize("vocabulary", [50257, 2047])
def test_a_corpus_of_another_vocabulary_is_refused_in_one_line(corpus, tmp_path, vocabulary):
    with pytest.raises(ParameterError) as error:
        run(replace(TRAINED, vocabulary=vocabulary), corpus, tmp_path / "runs", CPU)
    said = f"vocabulary = {vocabulary}: must be that of the corpus, 2048"
    assert str(error.value) == said
    assert not (tmp_path / "runs").exists()


def test_a_run_may_be_stopped_again_and_again(uninterrupted, corpus, tmp_path):
    for step in (1, 10, 20, 30, 40, 50):
        with pytest.raises(Stop):
            train(corpus, tmp_path, callbacks=[stop_at(step)])
    history, lines = train(corpus, tmp_path)
    assert "resumes from step 50" in lines[0]
    assert same(history, uninterrupted)


def test_a_run_resumes_bit_for_bit_by_either_kernel(corpus, tmp_path, kernel):
    whole, _ = train(corpus, tmp_path / "whole")
    with pytest.raises(Stop):
        train(corpus, tmp_path, callbacks=[stop_at(20)])
    history, lines = train(corpus, tmp_path)
    assert lines == [f"{LABEL}: resumes from step 20"]
    assert same(history, whole)
    assert history.manifest["device"]["products"] == kernel
    pd.testing.assert_frame_equal(history.health, whole.health, check_exact=True)


@pytest.mark.parametrize("arm", ["adamw-0.0", "fp-l2-0.0", "l2-blocks-0.0"])
def test_every_optimizer_state_survives(corpus, tmp_path, arm, kernel):
    config = RunConfig(arm, hidden=32, layers=1, heads=2, steps=24, probe_positions=100)
    whole, resumed = Trainer(config, corpus, CPU), Trainer(config, corpus, CPU)
    for step in range(1, 25):
        whole.update(step)
    for step in range(1, 13):
        resumed.update(step)
    fresh = Trainer(config, corpus, CPU)
    fresh.restore(12, {name: value.clone() for name, value in resumed.state().items()})
    for step in range(13, 25):
        fresh.update(step)
    pairs = zip(whole.model.parameters(), fresh.model.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_a_damaged_checkpoint_costs_only_the_steps_since_the_one_before(
    uninterrupted, corpus, tmp_path
):
    with pytest.raises(KeyboardInterrupt):
        train(corpus, tmp_path, callbacks=[interrupt_at(50)], checkpoint_every=10)
    newest = sorted(tmp_path.glob("l2*/checkpoint-*.safetensors"))[-1]
    newest.write_bytes(newest.read_bytes()[:-1] + b"!")
    history, lines = train(corpus, tmp_path)
    assert "damaged checkpoint passed over" in lines[0]
    assert "resumes from step 30" in lines[1]
    assert same(history, uninterrupted)


@pytest.mark.parametrize("name", ["manifest.json", "measures.csv"])
def test_a_damaged_interrupted_run_resumes_from_its_checkpoint(
    uninterrupted, corpus, tmp_path, name
):
    with pytest.raises(KeyboardInterrupt):
        train(corpus, tmp_path, callbacks=[interrupt_at(40)], checkpoint_every=10)
    next(tmp_path.glob(f"l2*/{name}")).write_text("{")
    history, lines = train(corpus, tmp_path)
    assert "resuming from its checkpoint" in lines[0]
    assert same(history, uninterrupted)


def test_a_damaged_finished_run_is_moved_aside_and_trained_again(uninterrupted, corpus, tmp_path):
    history = finished(uninterrupted, tmp_path)
    trace = history.folder / "trace.csv"
    trace.write_text(trace.read_text().replace("7", "8"))
    again, lines = train(corpus, tmp_path)
    assert "trace.csv does not match its checksum" in lines[0]
    assert same(again, uninterrupted)
    assert (tmp_path / f"{history.folder.name}.damaged-1" / "trace.csv").exists()


def test_a_finished_run_that_cannot_be_read_just_now_is_left_in_place(
    uninterrupted, corpus, tmp_path, monkeypatch
):
    history = finished(uninterrupted, tmp_path)
    read = Path.read_bytes

    def fail(self):
        if self.name == "trace.csv":
            raise OSError(5, "Input/output error")
        return read(self)

    monkeypatch.setattr(Path, "read_bytes", fail)
    with pytest.raises(HistoryError, match=r"cannot be read .*left as it is"):
        train(corpus, tmp_path)
    monkeypatch.undo()
    assert History.load(history.folder).complete
    assert not list(tmp_path.glob("*.damaged*"))


def test_a_folder_of_a_newer_version_is_left_alone(uninterrupted, corpus, tmp_path):
    history = finished(uninterrupted, tmp_path)
    manifest = history.folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace(f'"format": {FORMAT}', '"format": 99'))
    with pytest.raises(HistoryError, match="newer version"):
        train(corpus, tmp_path)
    assert '"format": 99' in manifest.read_text()


def test_a_folder_that_holds_another_run_is_moved_aside(uninterrupted, corpus, tmp_path):
    """As a copied folder does; its own checksums are all right."""
    other = replace(TRAINED, arm="adamw-0.0")
    name = other.identity(corpus.fingerprint, "cpu")
    shutil.copytree(uninterrupted.folder, tmp_path / name)
    lines = []
    history = run(other, corpus, tmp_path, CPU, log=lines.append)
    assert history.complete
    assert history.config == other
    assert f"holds another run, {LABEL}" in lines[0]
    assert (tmp_path / f"{name}.damaged-1" / "trace.csv").exists()


def test_damaged_weights_are_not_loaded(uninterrupted, tmp_path):
    history = finished(uninterrupted, tmp_path)
    path = history.folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(HistoryError, match="damaged"):
        load_model(history)
    path.unlink()
    with pytest.raises(HistoryError, match="no weights here"):
        load_model(history)


def test_divergence_is_recorded_kept_and_does_not_stop_the_others(corpus, tmp_path):
    # Without eps the weights of tokens that have not occurred move by 0 / 0.
    wild = {"base": "no-decay", "peak_lr": 1.0, "eps": 0.0, "clip_norm": 1e12}
    lines = []
    plan = small_plan(tmp_path, steps=12, arms=[wild, "adamw-0.0"])
    diverged, other = execute(plan, named_for(plan, corpus), log=lines.append)
    assert diverged.status == "diverged"
    assert "loss of step 2 is nan" in diverged.manifest["reason"]
    assert list(diverged.folder.glob("checkpoint-*.safetensors"))
    assert other.complete
    assert any("diverged" in line for line in lines)
    assert execute(plan, named_for(plan, corpus), log=lines.append)[0].status == "diverged"


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA"),
        MemoryError(),
        RuntimeError("can't allocate memory: 9 TB"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling ..."),
    ],
)
def test_out_of_memory_names_the_remedy_and_the_others_go_on(corpus, tmp_path, monkeypatch, error):
    update = Trainer.update

    def fail(self, step):
        if self.config.arm == "l2-0.0" and step == 5:
            raise error
        return update(self, step)

    monkeypatch.setattr(Trainer, "update", fail)
    lines = []
    plan = small_plan(tmp_path, steps=8, arms="l2-0.0,no-decay")
    failed, other = execute(plan, named_for(plan, corpus), log=lines.append)
    assert failed.status == "failed"
    assert type(error).__name__ in failed.manifest["reason"]
    assert other.complete
    assert "smaller hidden size or batch" in lines[0]


def test_other_errors_are_not_hidden(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(Trainer, "update", lambda self, step: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train(corpus, tmp_path)
    assert History.load(next(tmp_path.glob("l2*"))).status == "failed"


def test_a_full_disk_is_a_clear_line_and_leaves_the_checkpoint(
    uninterrupted, corpus, tmp_path, monkeypatch
):
    saved = []

    def save(folder, checkpoint):
        if saved:
            raise OSError(28, "No space left on device")
        saved.append(checkpoint.step)
        save_checkpoint(folder, checkpoint)

    monkeypatch.setattr("bitnet.runs.run.save", save)
    with pytest.raises(HistoryError) as error:
        train(corpus, tmp_path, checkpoint_every=10)
    assert "No space left on device" in str(error.value)
    assert "make room" in str(error.value)
    monkeypatch.undo()
    history, lines = train(corpus, tmp_path)
    assert "resumes from step 10" in lines[0]
    assert same(history, uninterrupted)


def test_a_runs_folder_that_cannot_be_is_a_clear_line(corpus, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(HistoryError, match="choose another runs_dir"):
        train(corpus, tmp_path / "file")


def read_until(connection, step):
    while connection.recv() != step:
        pass


def rest_of(connection):
    """What is still sent until the process ends."""
    found = []
    while True:
        try:
            found.append(connection.recv())
        except EOFError:
            return found


def test_killed_at_many_moments_it_ends_as_if_it_never_was(uninterrupted, corpus, tmp_path):
    """SIGKILL, some milliseconds after a step was reported, until a process survives."""
    kills = 0
    for delay in (0, 3, 11, 25, 1, 40, 7, 60, 17, 90):
        # The first three do not end before they are killed: they pause after their last step.
        process, connection = start(train_elsewhere, tmp_path, TRAINED.steps if kills < 3 else 0)
        assert connection.recv() == "ready"
        for _ in range(1 + kills % 3):
            connection.recv()
        deadline = time.monotonic() + delay / 1000
        while time.monotonic() < deadline:
            pass
        process.kill()
        process.join()
        kills += 1
        folders = [p for p in tmp_path.glob("l2*") if (p / "manifest.json").exists()]
        if folders and History.load(folders[0]).complete:
            break
    assert kills >= 3
    history, _ = train(corpus, tmp_path)
    assert history.complete
    assert same(history, uninterrupted)


def test_a_second_process_waits_and_loads_the_result(uninterrupted, corpus, tmp_path):
    process, connection = start(train_elsewhere, tmp_path, 30)
    read_until(connection, 30)  # it trains, and so holds the lock
    lines = []

    def log(line):
        lines.append(line)
        if "another process is training it" in line:
            connection.send("continue")

    history = run(TRAINED, corpus, tmp_path, CPU, [interrupt_at(1)], log)
    process.join()
    assert process.exitcode == 0
    assert "another process is training it" in lines[0]
    assert "loaded from" in lines[1]
    assert same(history, uninterrupted)


def test_the_lock_of_a_dead_process_does_not_block(uninterrupted, corpus, tmp_path):
    process, connection = start(train_elsewhere, tmp_path, 30)
    read_until(connection, 30)
    process.kill()
    process.join()
    with FileLock(next((tmp_path / ".locks").glob("*.lock")), timeout=5):
        pass
    assert same(train(corpus, tmp_path)[0], uninterrupted)


def test_ctrl_c_leaves_a_run_that_resumes(uninterrupted, corpus, tmp_path):
    process, connection = start(train_elsewhere, tmp_path, 30)
    read_until(connection, 30)
    os.kill(process.pid, signal.SIGINT)
    last = rest_of(connection)[-1]
    process.join()
    assert process.exitcode != 0
    assert last == f"{LABEL}: stopped. The same command resumes it from its last checkpoint."
    assert History.load(next(tmp_path.glob("l2*"))).status == "stopped"
    history, lines = train(corpus, tmp_path)
    assert "resumes from step 20" in lines[0]
    assert same(history, uninterrupted)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_long_run_of_tiny_steps_keeps_memory_and_handles_flat(corpus, tmp_path):
    """1500 updates, 75 evaluations, 150 checkpoints: the second half takes no more memory."""
    handles, memory = [], []

    def watch(config, record):
        if record.step % 100 == 0:
            handles.append(len(list(Path("/proc/self/fd").iterdir())))
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            memory.append(pages * os.sysconf("SC_PAGE_SIZE"))

    config = RunConfig(
        "adamw-0.0", hidden=8, layers=1, heads=1, steps=1500, probe_positions=62, eval_every=20,
        vocabulary=VOCABULARY,
    )  # fmt: skip
    assert run(config, corpus, tmp_path, CPU, [watch], checkpoint_every=10).complete
    assert handles[-1] <= handles[len(handles) // 2]
    assert memory[-1] - memory[len(memory) // 2] < 4 * 2**20


@pytest.fixture
def little_room(tmp_path):
    """A file system of its own, with 512 kB; needs the right to mount one."""
    folder = tmp_path / "little"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)]
    mountable = shutil.which("mount") is not None
    if not mountable or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a file system is not allowed here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_is_really_full(corpus, little_room):
    """The tables fit; a checkpoint does not."""
    with pytest.raises(
        HistoryError, match=r"cannot be written \(.*No space left on device.*make room"
    ):
        train(corpus, little_room, checkpoint_every=10)
    history = History.load(next(little_room.glob("l2*")))
    assert history.status == "failed"
    assert "No space left" in history.manifest["reason"]
    assert not list(history.folder.glob("*.tmp"))


def test_a_folder_that_is_really_read_only(corpus, little_room):
    subprocess.run(["mount", "-o", "remount,ro", str(little_room)], check=True)
    with pytest.raises(
        HistoryError, match=r"cannot be written \(.*Read-only.*choose another runs_dir"
    ):
        train(corpus, little_room)


def test_a_run_does_not_import_what_compiles(tmp_path):
    """A third of the time that each of a study's processes takes to start."""
    process, connection = start(train_and_tell_modules, tmp_path)
    modules = connection.recv()
    process.join()
    assert "torch" in modules
    assert not {"torch._dynamo", "torch._inductor", "sympy"} & set(modules)
