"""A Ray cluster: what it refuses, and how it is joined or started."""

import re
import sys
import threading

import pytest
import torch

from bitnet import ParameterError
from bitnet.extras import remedy
from bitnet.sweep.pool import Pool
from bitnet.sweep.ray import JOIN_SECONDS, RayCluster


@pytest.mark.parametrize(
    "wrong",
    [
        {"workers": "0"},
        {"workers": "many"},
        {"precision": "float16"},
        {"device": "cuda:1"},
        {"per_gpu": "0"},
    ],
)
def test_what_a_cluster_refuses_it_refuses_at_once(monkeypatch, wrong):
    monkeypatch.setattr("bitnet.sweep.ray._ray", lambda: pytest.fail("a cluster was looked for"))
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        RayCluster.connect(2, **wrong)


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
    monkeypatch.setattr("bitnet.sweep.ray._ray", lambda: ray)
    monkeypatch.setattr("bitnet.sweep.pool.cores", lambda: 8)
    monkeypatch.setattr("bitnet.sweep.ray.cores", lambda: 8)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    cluster, pool = (engine(20, workers, "cpu", "float32") for engine in (RayCluster.connect, Pool))
    found = (cluster.workers, cluster.threads)
    assert found == (pool.workers, pool.threads) == (int(workers or 8), threads)
    assert ray.started == max(8, cluster.workers)


class RayOfGpus(NoRay):
    """A cluster of two nodes with two GPUs each, seen from a machine without one."""

    def is_initialized(self):
        return True

    def cluster_resources(self):
        return {"CPU": 32.0, "GPU": 4.0}

    def nodes(self):
        return [{"Alive": True, "Resources": {"CPU": 16.0, "GPU": 2.0}}] * 2


def test_one_gpu_a_job_where_the_cluster_has_gpus(monkeypatch):
    monkeypatch.setattr("bitnet.sweep.ray._ray", RayOfGpus)
    cluster = RayCluster.connect(22)
    assert (cluster.kind, cluster.precision, cluster.workers) == ("cuda", "float32", 4)
    assert str(cluster) == "4 workers on a Ray cluster of 2 node(s), one GPU each"
    shared = RayCluster.connect(22, per_gpu="3")
    assert (shared.workers, shared.share) == (12, 0.3333)
    assert str(shared) == "12 workers on a Ray cluster of 2 node(s), 3 to a GPU"
    on_cpu = RayCluster.connect(1, device="cpu", precision="float32")
    assert (on_cpu.kind, on_cpu.workers, on_cpu.threads) == ("cpu", 1, 16)  # one node's


@pytest.mark.parametrize("per_gpu", range(1, 33))
def test_as_many_shares_as_are_asked_for_fit_on_a_gpu(per_gpu):
    """In Ray's own units, to which it rounds what a task asks for."""
    share = RayCluster(None, "cuda", "float32", per_gpu, 1, per_gpu).share
    assert round(share * 10_000) * per_gpu <= 10_000


def test_without_a_gpu_in_the_cluster_none_is_shared(monkeypatch):
    monkeypatch.setattr("bitnet.sweep.ray._ray", NoRay)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(ParameterError, match="per_gpu = 2: must be 1 where runs train on a CPU"):
        RayCluster.connect(2, per_gpu=2)


def test_of_a_cluster_with_gpus_this_machine_is_measured(monkeypatch):
    monkeypatch.setattr("bitnet.sweep.ray._ray", RayOfGpus)
    assert RayCluster.connect(22, per_gpu=2).pool_here(22).kind == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    here = RayCluster.connect(22, per_gpu=2).pool_here(22)
    assert here.devices == ["cuda:0"] * 2


def test_a_cluster_that_does_not_answer_is_not_replaced_by_another(monkeypatch):
    monkeypatch.setattr("bitnet.sweep.ray._ray", NoRay)
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.7:6379")
    with pytest.raises(
        ParameterError,
        match=r"RAY_ADDRESS = '10\.0\.0\.7:6379': no Ray cluster",
    ):
        RayCluster.connect(2, device="cpu")


def test_ray_that_is_missing_is_named_in_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(
        ParameterError,
        match=f"engine = 'ray': needs the package ray; {re.escape(remedy('ray'))}",
    ):
        RayCluster.connect(1)


@pytest.mark.parametrize("error", [ValueError, RuntimeError, ImportError])
def test_a_malformed_address_is_one_line(monkeypatch, error):
    class Refusing(NoRay):
        def init(self, **_):
            raise error("Invalid\naddress")

    monkeypatch.setattr("bitnet.sweep.ray._ray", Refusing)
    monkeypatch.setenv("RAY_ADDRESS", ":::bad")
    with pytest.raises(ParameterError, match=r"^RAY_ADDRESS = ':::bad': .* \(Invalid\); unset it"):
        RayCluster.connect(1, device="cpu")


def test_a_cluster_that_never_answers_is_waited_for_a_minute_at_most(monkeypatch):
    asked = threading.Event()

    class Silent(NoRay):
        def init(self, **_):
            asked.wait()

    assert JOIN_SECONDS < 60
    monkeypatch.setattr("bitnet.sweep.ray.JOIN_SECONDS", 0.01)
    monkeypatch.setattr("bitnet.sweep.ray._ray", Silent)
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(ParameterError, match="no answer within 0 seconds"):
        RayCluster.connect(1, device="cpu")
    asked.set()
    monkeypatch.delenv("RAY_ADDRESS")
    monkeypatch.setattr("bitnet.sweep.ray._ray", NoRay)
    assert RayCluster.connect(1, device="cpu").kind == "cpu"  # one is started here
