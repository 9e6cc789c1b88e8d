"""Engines: every cell done, killed workers replaced, failures kept apart, Ctrl-C and a dead parent survived; a pool or Ray."""

import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from conftest import synthetic_corpus
from filelock import FileLock

from bitnet import History, ParameterError, RunConfig
from bitnet.backend import choose
from bitnet.cell import STOPPED, Cell, Progress
from bitnet.cluster import Cluster
from bitnet.pool import Pool, divide
from bitnet.run import run

needs_ray = pytest.mark.skipif(not find_spec("ray"), reason="ray is not installed (pip install 'bitnet[ray]')")
every_engine = pytest.mark.parametrize("engine", ["pool", pytest.param("ray", marks=needs_ray)])
STEPS = 30


def cells(folder, *arms):
    found = []
    for arm in arms:
        config = RunConfig(arm, hidden=16, layers=1, heads=2, steps=STEPS, probe_positions=62, eval_every=10)
        found.append(Cell(config, config.identity("synthetic", "cpu"), folder, threads=1))
    return found


def train(cell, report, then=lambda step: None):
    """A cell on the corpus of conftest, with a checkpoint every 10 updates; a callback comes before a step's own."""

    def follow(config, record):
        report(Progress(record.step, record.loss))
        then(record.step)

    run(cell.config, synthetic_corpus(), cell.runs_dir, choose("cpu", "float32"), [follow], report, checkpoint_every=10)


def train_among_mishaps(cell, report):
    """`l2-0.0` is killed once and `l2-0.05` always, after step 20; `no-decay` meets an error that nobody foresaw."""
    marker = cell.runs_dir / "killed"

    def then(step):
        if cell.config.arm == "no-decay":
            raise LookupError("nobody foresaw this\nin two lines")
        if step == 20 and (cell.config.arm == "l2-0.05" or (cell.config.arm == "l2-0.0" and not marker.exists())):
            if cell.config.arm == "l2-0.0":
                marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    train(cell, report, then)


def train_until_stopped(cell, report):
    """After step 20 nothing happens any more, until an interrupt does."""

    def then(step):
        while step == 20:
            time.sleep(0.01)

    train(cell, report, then)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The same runs, trained in this process with one thread and never interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for cell in cells(folder, "l2-0.0", "adamw-0.0"):
        train(cell, lambda message: None)
    torch.set_num_threads(threads)
    return folder


def same(cell, whole):
    return all(
        (cell.runs_dir / cell.identity / name).read_bytes() == (whole / cell.identity / name).read_bytes()
        for name in ("trace.csv", "measures.csv", "model.safetensors")
    )


@pytest.fixture(scope="module")
def ray_of_two_workers():
    import ray

    ray.shutdown()
    with pytest.MonkeyPatch.context() as patch:  # Ray's workers have to find this module
        patch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
        patch.delenv("RAY_ADDRESS", raising=False)
        yield Cluster(4, workers=2, device="cpu", precision="float32")
    ray.shutdown()


@pytest.fixture
def crew(engine, request):
    if engine == "ray":
        return request.getfixturevalue("ray_of_two_workers")
    return Pool(4, workers=2, device="cpu", precision="float32")


@every_engine
def test_killed_workers_and_errors_do_not_stop_the_others(crew, engine, whole, tmp_path):
    heard, reasons = [], {}
    todo = cells(tmp_path, "l2-0.0", "l2-0.05", "no-decay", "adamw-0.0")
    crew.run(
        todo,
        lambda cell, message: heard.append((cell.config.arm, message)),
        lambda cell, reason: reasons.update({cell.config.arm: reason}),
        train_among_mishaps,
    )
    once, always, wrong, well = todo
    assert set(reasons) == {cell.config.arm for cell in todo}
    assert reasons["l2-0.0"] == reasons["adamw-0.0"] == ""
    assert same(once, whole)
    assert same(well, whole)
    # Killed after step 20, before its checkpoint: the second worker goes on from step 10.
    assert ("l2-0.0", "l2-0.0 (hidden 16, seed 0): goes on from step 10") in heard
    assert "killed" in reasons["l2-0.05"]
    assert "2 times" in reasons["l2-0.05"]
    assert always.outcome().status == "interrupted"
    assert reasons["no-decay"].startswith("LookupError: nobody foresaw this (all of it: ")
    assert "\n" not in reasons["no-decay"]
    assert "in two lines" in (tmp_path / "errors" / f"{wrong.identity}.txt").read_text()
    assert wrong.outcome().status == "failed"


def ctrl_c_at_step_20(cell, message):
    if message == Progress(20, getattr(message, "loss", 0.0)):
        os.kill(os.getpid(), signal.SIGINT)


@every_engine
def test_ctrl_c_stops_the_cells_at_work_and_they_go_on(crew, engine, whole, tmp_path):
    todo = cells(tmp_path, "l2-0.0")
    with pytest.raises(KeyboardInterrupt):
        crew.run(todo, ctrl_c_at_step_20, lambda cell, reason: None, train_until_stopped)
    assert History.load(tmp_path / todo[0].identity).status == STOPPED
    assert (todo[0].outcome().status, todo[0].outcome().step) == ("interrupted", 10)
    reasons = []
    crew.run(todo, lambda cell, message: None, lambda cell, reason: reasons.append(reason), train)
    assert reasons == [""]
    assert same(todo[0], whole)


def test_after_ctrl_c_no_further_cell_is_begun(tmp_path):
    todo, ended = cells(tmp_path, "l2-0.0", "adamw-0.0", "no-decay"), []
    pool = Pool(3, workers=1, device="cpu", precision="float32")
    with pytest.raises(KeyboardInterrupt):
        pool.run(todo, ctrl_c_at_step_20, lambda cell, reason: ended.append((cell.config.arm, reason)), train_until_stopped)
    assert ended[0] == ("l2-0.0", STOPPED)
    assert {reason for _, reason in ended} == {STOPPED}
    assert [cell.outcome().status for cell in todo] == ["interrupted", "missing", "missing"]


# A sweep of one cell in a process of its own, which is then killed.
PROGRAM = """
import sys
if __name__ == "__main__":
    sys.path[:0] = [{tests!r}]
    from pathlib import Path
    from test_pool import cells, train_until_stopped
    from bitnet.pool import Pool
    hear = lambda cell, message: print(getattr(message, "step", ""), flush=True)
    Pool(1, workers=1, device="cpu").run(cells(Path({folder!r}), "l2-0.0"), hear, print, train_until_stopped)
"""


def test_workers_end_with_their_parent(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM.format(tests=str(Path(__file__).parent), folder=str(tmp_path / "runs")))
    parent = subprocess.Popen([sys.executable, tmp_path / "program.py"], stdout=subprocess.PIPE, text=True)
    while (line := parent.stdout.readline()) != "20\n":
        assert line, "it ended before step 20"
    parent.kill()
    parent.communicate()
    (cell,) = cells(tmp_path / "runs", "l2-0.0")
    with FileLock(tmp_path / "runs" / ".locks" / f"{cell.identity}.lock", timeout=60):
        assert History.load(tmp_path / "runs" / cell.identity).status == STOPPED


@pytest.mark.parametrize(
    ("cores", "cells", "workers", "expected"),
    [
        (2, 22, None, (2, 1)), (8, 22, None, (8, 1)), (8, 3, None, (3, 2)), (8, 1, None, (1, 8)), (1, 22, None, (1, 1)),
        (8, 22, 2, (2, 4)), (2, 22, "4", (4, 1)), (2, 0, None, (1, 2)),
    ],
)  # fmt: skip
def test_cores_are_divided_between_workers(cores, cells, workers, expected):
    assert divide(cores, cells, workers) == expected


@pytest.mark.parametrize("workers", [0, -1, 1.5, "many", True])
def test_a_bad_number_of_workers_is_refused(workers):
    with pytest.raises(ParameterError, match=r"workers = .*whole number of at least 1"):
        divide(2, 2, workers)


def test_one_worker_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    assert Pool(22).devices == ["cuda:0", "cuda:1", "cuda:2"]
    assert Pool(2).devices == ["cuda:0", "cuda:1"]
    assert Pool(22, workers=4).devices == ["cuda:0", "cuda:1", "cuda:2", "cuda:0"]
    assert Pool(22, device="cuda:1").devices == ["cuda:1"]
    assert (Pool(22).kind, Pool(22).precision) == ("cuda", "float32")


@pytest.mark.parametrize("wrong", [{"workers": "0"}, {"workers": "many"}, {"precision": "float16"}, {"device": "cuda:1"}])
def test_what_a_cluster_refuses_it_refuses_at_once(monkeypatch, wrong):
    monkeypatch.setattr("bitnet.cluster._ray", lambda: pytest.fail("a cluster was looked for"))
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        Cluster(2, **wrong)


class NoRay:
    """A Ray that finds no cluster, and notes what it is asked to start."""

    def __init__(self):
        self.started = None

    def is_initialized(self):
        return False

    def init(self, address, num_cpus=None, **_):
        if address == "auto":
            raise ConnectionError
        self.started = num_cpus

    def cluster_resources(self):
        return {"CPU": float(self.started)}

    def nodes(self):
        return [{"Alive": True, "Resources": self.cluster_resources()}]


@pytest.mark.parametrize(("workers", "threads"), [("2", 4), (None, 1), ("16", 1)])
def test_a_cluster_started_here_divides_the_cores_as_a_pool_does(monkeypatch, workers, threads):
    """`workers` is text where it comes from the command line."""
    ray = NoRay()
    monkeypatch.setattr("bitnet.cluster._ray", lambda: ray)
    monkeypatch.setattr("bitnet.pool.cores", lambda: 8)
    monkeypatch.setattr("bitnet.cluster.cores", lambda: 8)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    crew, pool = (engine(20, workers, "cpu", "float32") for engine in (Cluster, Pool))
    assert (crew.workers, crew.threads) == (pool.workers, pool.threads) == (int(workers or 8), threads)
    assert ray.started == max(8, crew.workers)


def test_a_cluster_that_does_not_answer_is_not_replaced_by_another(monkeypatch):
    monkeypatch.setattr("bitnet.cluster._ray", NoRay)
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.7:6379")
    with pytest.raises(ParameterError, match=r"RAY_ADDRESS = '10\.0\.0\.7:6379': no Ray cluster answers there"):
        Cluster(2, device="cpu")


def test_ray_that_is_missing_is_named_in_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ParameterError, match=r"engine = 'ray': needs the package ray; .*bitnet\[ray\]"):
        Cluster(1)
