"""Engines: every job done, killed workers replaced, failures kept apart, interrupts survived.

What a pool and a Ray cluster have in common is tested with both.
"""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec

import pytest
import torch
from filelock import FileLock

from bitnet import History, ParameterError
from bitnet.sweep.job import STOPPED
from bitnet.sweep.pool import Pool, divide
from bitnet.sweep.ray import RayCluster
from tests.support.mishaps import (
    ROOT,
    command,
    jobs,
    same,
    train,
    train_among_mishaps,
    train_in_spite,
    train_nothing,
    train_together,
    train_until_stopped,
)

needs_ray = pytest.mark.skipif(
    not find_spec("ray"), reason="ray is not installed (pip install 'bitnet-collapse[ray]')"
)
on_ray = pytest.param("ray", marks=[needs_ray, pytest.mark.long("ray")])
every_engine = pytest.mark.parametrize("engine", ["pool", on_ray])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The same runs, trained in this process with one thread and never interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for job in jobs(folder, "l2-0.0", "adamw-0.0"):
        train(job, lambda event: None)
    torch.set_num_threads(threads)
    return folder


@pytest.fixture(scope="module")
def ray_of_two_workers():
    import ray

    ray.shutdown()
    with pytest.MonkeyPatch.context() as patch:  # Ray's workers have to find tests.support
        patch.setenv("PYTHONPATH", ROOT, prepend=os.pathsep)
        patch.delenv("RAY_ADDRESS", raising=False)
        quiet = {"log_to_driver": False, "logging_level": "ERROR", "include_dashboard": False}
        ray.init(address="local", num_cpus=2, num_gpus=1, **quiet)  # it believes in the GPU
        yield RayCluster.connect(4, workers=2, device="cpu", precision="float32")
    ray.shutdown()


def pool(train, workers=2):
    found = Pool(4, workers=workers, device="cpu", precision="float32")
    found.command = command(train)
    return found


@pytest.fixture
def engine_of(engine, request):
    """A function: the engine with two workers that train by the given function."""

    def build(train):
        if engine == "pool":
            return pool(train)
        cluster = request.getfixturevalue("ray_of_two_workers")
        cluster.train = train
        return cluster

    return build


@every_engine
def test_killed_workers_and_errors_do_not_stop_the_others(engine_of, engine, whole, tmp_path):
    lines, reasons = [], {}
    todo = jobs(tmp_path, "l2-0.0", "l2-0.05", "no-decay", "adamw-0.0")
    engine_of(train_among_mishaps).run(
        todo,
        lambda job, event: lines.append((job.config.arm, event.get("line"))),
        lambda job, reason: reasons.update({job.config.arm: reason}),
    )
    once, always, wrong, well = todo
    assert set(reasons) == {job.config.arm for job in todo}
    assert reasons["l2-0.0"] == reasons["adamw-0.0"] == ""
    assert same(once, whole)
    assert same(well, whole)
    # Killed after step 20, before its checkpoint: the second worker resumes from step 10.
    label = "l2-0.0, hidden 16, vocabulary 2048, 30 steps, seed 0"
    assert ("l2-0.0", f"{label}: resumes from step 10") in lines
    assert "killed" in reasons["l2-0.05"]
    assert "2 times" in reasons["l2-0.05"]
    assert always.found().status == "interrupted"
    assert reasons["no-decay"].startswith("LookupError: nobody foresaw this (all of it: ")
    assert "\n" not in reasons["no-decay"]
    assert "in two lines" in (tmp_path / "errors" / f"{wrong.identity}.txt").read_text()
    assert wrong.found().status == "failed"


def ctrl_c_at_step_20(job, event):
    if event.get("step") == 20:
        os.kill(os.getpid(), signal.SIGINT)


@every_engine
def test_ctrl_c_stops_the_jobs_at_work_and_they_are_resumed(engine_of, engine, whole, tmp_path):
    todo = jobs(tmp_path, "l2-0.0")
    with pytest.raises(KeyboardInterrupt):
        engine_of(train_until_stopped).run(todo, ctrl_c_at_step_20, lambda job, reason: None)
    assert History.load(tmp_path / todo[0].identity).status == STOPPED
    assert (todo[0].found().status, todo[0].found().step) == ("interrupted", 10)
    reasons = []
    engine_of(train).run(todo, lambda job, event: None, lambda job, reason: reasons.append(reason))
    assert reasons == [""]
    assert same(todo[0], whole)


def test_after_ctrl_c_no_further_job_is_begun(tmp_path):
    todo, ended = jobs(tmp_path, "l2-0.0", "adamw-0.0", "no-decay"), []
    with pytest.raises(KeyboardInterrupt):
        pool(train_until_stopped, workers=1).run(
            todo, ctrl_c_at_step_20, lambda job, reason: ended.append((job.config.arm, reason))
        )
    assert ended[0] == ("l2-0.0", STOPPED)
    assert {reason for _, reason in ended} == {STOPPED}
    assert [job.found().status for job in todo] == ["interrupted", "missing", "missing"]


def test_a_second_ctrl_c_kills_those_that_do_not_stop(tmp_path):
    (job,), ended = jobs(tmp_path, "l2-0.0"), []

    def listen(job, event):
        ctrl_c_at_step_20(job, event)
        if event.get("line") == "interrupted":
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        pool(train_in_spite).run([job], listen, lambda job, reason: ended.append(reason))
    assert ended == []
    with FileLock(tmp_path / ".locks" / f"{job.identity}.lock", timeout=0):  # its process is gone
        assert History.load(tmp_path / job.identity).status == "running"


def test_a_worker_that_cannot_be_started_is_one_line(tmp_path):
    todo, reasons = jobs(tmp_path, "l2-0.0", "adamw-0.0"), []
    engine = pool(train)
    engine.command = (str(tmp_path / "nothing"),)
    engine.run(todo, lambda job, event: None, lambda job, reason: reasons.append(reason))
    assert len(reasons) == 2
    for reason in reasons:
        assert reason.startswith("no process could be started for it (")
        assert "\n" not in reason


def test_what_a_worker_prints_is_no_event(tmp_path):
    events, reasons = [], []
    engine = pool(train_nothing)
    program = "print('[at its start]', flush=True); " + engine.command[-1]
    engine.command = (*engine.command[:-1], program)
    engine.run(
        jobs(tmp_path, "l2-0.0"),
        lambda job, event: events.append(event),
        lambda job, reason: reasons.append(reason),
    )
    assert events == [{"event": "log", "line": "[at its start]"}, {"event": "started"}]
    assert reasons == [""]


def test_an_error_of_a_callback_stops_the_workers_and_is_raised(tmp_path):
    (job,) = jobs(tmp_path, "l2-0.0")

    def listen(job, event):
        if event.get("step") == 20:
            raise LookupError("of the callback")

    with pytest.raises(LookupError, match="of the callback"):
        pool(train_until_stopped).run([job], listen, lambda job, reason: None)
    with FileLock(tmp_path / ".locks" / f"{job.identity}.lock", timeout=0):  # its process is gone
        assert job.found().status == "interrupted"


# A sweep of one job in a process of its own, which is then killed.
PROGRAM = """
import sys
sys.path.insert(0, {root!r})
from pathlib import Path
from bitnet.sweep.pool import Pool
from tests.support.mishaps import command, jobs, train_until_stopped
pool = Pool(1, workers=1, device="cpu")
pool.command = command(train_until_stopped)
listen = lambda job, event: print(event.get("step", ""), flush=True)
pool.run(jobs(Path({folder!r}), "l2-0.0"), listen, print)
"""


def test_workers_end_with_their_parent(tmp_path):
    program = PROGRAM.format(root=ROOT, folder=str(tmp_path / "runs"))
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    while (line := parent.stdout.readline()) != "20\n":
        assert line, "it ended before step 20"
    parent.kill()
    parent.communicate()
    (job,) = jobs(tmp_path / "runs", "l2-0.0")
    with FileLock(tmp_path / "runs" / ".locks" / f"{job.identity}.lock", timeout=60):
        assert History.load(tmp_path / "runs" / job.identity).status == STOPPED


@pytest.mark.parametrize(
    ("cores", "jobs", "workers", "expected"),
    [
        (2, 22, None, (2, 1)), (8, 22, None, (8, 1)), (8, 3, None, (3, 2)), (8, 1, None, (1, 8)),
        (1, 22, None, (1, 1)), (8, 22, 2, (2, 4)), (2, 22, "4", (4, 1)), (2, 0, None, (1, 2)),
    ],
)  # fmt: skip
def test_cores_are_divided_between_workers(monkeypatch, cores, jobs, workers, expected):
    assert divide(cores, jobs, workers) == expected
    monkeypatch.setattr("bitnet.sweep.pool.cores", lambda: cores)
    found = Pool(jobs, workers, "cpu")
    assert (found.workers, found.threads) == expected
    assert found.devices == ["cpu"] * found.workers


@pytest.mark.parametrize("workers", [0, -1, 1.5, "many", True])
def test_a_bad_number_of_workers_is_refused(workers):
    with pytest.raises(ParameterError, match=r"workers = .*whole number from 1 to 1024"):
        divide(2, 2, workers)


def test_one_worker_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    assert Pool(22).devices == ["cuda:0", "cuda:1", "cuda:2"]
    assert Pool(2).devices == ["cuda:0", "cuda:1"]
    assert Pool(22, workers=4).devices == ["cuda:0", "cuda:1", "cuda:2", "cuda:0"]
    assert Pool(22, device="cuda:1").devices == ["cuda:1"]
    assert (Pool(22).kind, Pool(22).precision) == ("cuda", "float32")


def test_several_runs_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert Pool(22, per_gpu="3").devices == ["cuda:0", "cuda:1"] * 3
    assert Pool(3, per_gpu=3).devices == ["cuda:0", "cuda:1", "cuda:0"]  # no card is left out
    assert Pool(22, device="cuda:1", per_gpu=2).devices == ["cuda:1"] * 2
    assert Pool(22, workers=1, per_gpu=2).devices == ["cuda:0"]
    assert str(Pool(22, per_gpu=2)) == "4 workers on this machine, on cuda:0, cuda:1"


@pytest.mark.parametrize("per_gpu", [0, -1, 1.5, "many", True])
def test_a_bad_number_of_runs_a_gpu_is_refused(per_gpu):
    with pytest.raises(ParameterError, match=r"per_gpu = .*whole number from 1 to 1024"):
        Pool(2, device="cpu", per_gpu=per_gpu)


def test_runs_share_no_gpu_where_there_is_none():
    with pytest.raises(ParameterError, match="per_gpu = 2: must be 1 where runs train on a CPU"):
        Pool(2, device="cpu", per_gpu=2)


def test_two_runs_are_on_the_one_gpu_at_once(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    engine = Pool(2, per_gpu=2)
    engine.command = command(train_together)
    assert lines_of_two(engine, tmp_path) == ["cuda:0", "cuda:0"]


@needs_ray
@pytest.mark.long("ray")
def test_two_runs_share_the_one_gpu_of_a_cluster(ray_of_two_workers, tmp_path):
    """A GPU that Ray believes in: it places jobs, which here only meet."""
    engine = RayCluster.connect(2, device="cuda", per_gpu=2)
    assert (engine.kind, engine.workers) == ("cuda", 2)
    engine.train = train_together
    assert lines_of_two(engine, tmp_path) == ["cuda", "cuda"]


def lines_of_two(engine, folder):
    """What two jobs say that end only if they are at work at the same time."""
    todo, lines, reasons = jobs(folder, "l2-0.0", "adamw-0.0"), [], []
    todo = [replace(job, device=engine.kind) for job in todo]
    engine.run(
        todo,
        lambda job, event: lines.append(event.get("line")),
        lambda job, reason: reasons.append(reason),
    )
    assert reasons == ["", ""]
    return [line for line in lines if line]
