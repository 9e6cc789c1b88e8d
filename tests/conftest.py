"""Small, seeded material for the tests, built once: a corpus, finished runs, models, a kernel."""

import os
import signal
from contextlib import nullcontext

import pytest
import torch
from hypothesis import settings

from bitnet import Corpus, History
from bitnet.analysis.results import load_results
from bitnet.config import BitNetConfig, RunConfig
from bitnet.runs.run import run
from bitnet.runtime import cpu
from bitnet.runtime import kernels as kernel_module
from bitnet.runtime.backend import choose
from bitnet.transformer import BitNetModel
from tests.support.corpus import VOCABULARY, synthetic_corpus
from tests.support.software_gpu import software_gpu

# The same examples in every run, however long they take on a busy machine.
settings.register_profile("bitnet", derandomize=True, deadline=None)
settings.load_profile("bitnet")

# One thread a process, here and in the commands that tests start: the tests run side by side, one
# process a core.
os.environ["OMP_NUM_THREADS"] = "1"
torch.set_num_threads(1)
# No test survives a power cut, and waiting for the disk is most of writing a small run.
os.fsync = lambda _: None
# A job that a shell starts in the background has Ctrl-C ignored; tests that send it would wait for
# ever.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    """Tests marked `long` come first in the share of each process, the longest of all first.

    Else one of them is left alone at the end. The mark's argument names those that stay together.
    """
    shares = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    together, short = {}, []
    for item in items:
        if mark := item.get_closest_marker("long"):
            together.setdefault(mark.args[0] if mark.args else item.nodeid, []).append(item)
        else:
            short.append(item)
    groups, size = list(together.values()), -(-len(items) // shares)
    ordered = []
    for share in range(shares):
        long = [item for group in groups[share::shares] for item in group]
        rest = size - len(long)
        ordered += [*long, *short[:rest]]
        short = short[rest:]
    items[:] = ordered + short


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """No test waits for a network."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


HAS_ONEDNN = torch.backends.mkldnn.is_available()
WITHOUT = pytest.mark.skipif(not HAS_ONEDNN, reason="torch without oneDNN")


@pytest.fixture
def take_kernel(monkeypatch):
    """A function that sets the kernel of float32 products, whatever this machine would choose."""

    def take(name):
        monkeypatch.setattr(cpu, "_amd_with_avx512", lambda: name == "oneDNN")
        monkeypatch.setattr(kernel_module, "SMALL_PRODUCT", 0)  # those of a test are all small

    return take


@pytest.fixture
def kernels():
    """The kernels there are, for a test that compares both with something costly."""
    return ["BLAS", "oneDNN"] if HAS_ONEDNN else ["BLAS"]


@pytest.fixture(params=["BLAS", pytest.param("oneDNN", marks=WITHOUT)])
def kernel(request, take_kernel):
    """Each kernel of float32 products in turn."""
    take_kernel(request.param)
    return request.param


NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


@pytest.fixture(params=["software", pytest.param("hardware", marks=NO_GPU)])
def gpu(request):
    """A GPU in software, and then that of this machine: what a test does there is the same."""
    with software_gpu() if request.param == "software" else nullcontext():
        yield


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    return synthetic_corpus()


@pytest.fixture(scope="session")
def committed() -> list[History]:
    """The committed runs, read once."""
    return load_results()


@pytest.fixture(scope="session")
def shared_runs(tmp_path_factory):
    """A runs folder of all processes of this session: the first trains a run, the others load it.

    What is in it is read and never changed.
    """
    folder = tmp_path_factory.getbasetemp()
    return (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "shared"


@pytest.fixture(scope="session")
def tiny_runs(corpus, shared_runs):
    """Real histories of 40 updates at hidden 8, by (arm, seed), for what draws or tells them."""
    sizes = {
        "hidden": 8,
        "layers": 1,
        "heads": 1,
        "steps": 40,
        "eval_every": 20,
        "probe_positions": 310,
        "vocabulary": VOCABULARY,
    }
    chosen = [("l2-0.05", 0), ("l2-0.0", 0), ("l2-0.0", 1), ("adamw-0.0", 0), ("fp-adamw-0.0", 0)]
    chosen += [
        (arm, 0) for arm in ("no-decay", "l2-0.1", "adamw-0.0+decay=0.1", "fp-l2-0.0+decay=0.1")
    ]
    return {
        (arm, seed): run(
            RunConfig(arm, seed=seed, **sizes),
            corpus,
            shared_runs,
            choose("cpu", "float32"),
            log=lambda line: None,
        )
        for arm, seed in chosen
    }


@pytest.fixture
def runs(tiny_runs):
    return [tiny_runs[arm, 0] for arm in ("l2-0.05", "l2-0.0", "adamw-0.0")]


@pytest.fixture
def model_and_reference():
    """A function of sizes: a model, and the parameters and arguments of its plain reference."""

    def build(batch_dtype=torch.float64, **sizes):
        config = BitNetConfig(**({"vocab_size": 97, "hidden_size": 32, "num_layers": 2} | sizes))
        torch.manual_seed(1)
        model = BitNetModel(config).to(batch_dtype)
        for name, p in model.named_parameters():
            # Norms of one leave a lone token's values whole multiples of one scale, some of them
            # exactly halfway between two levels, where the last bit of a sum decides. Trained norms
            # do not.
            if "norm" in name:
                p.data.uniform_(0.5, 1.5)
        parameters = {
            name: p.detach().clone().requires_grad_() for name, p in model.named_parameters()
        }
        arguments = {
            "layers": config.num_layers,
            "heads": config.num_heads,
            "kv_heads": config.num_kv_heads,
            "eps": config.norm_eps,
            "theta": config.rope_theta,
            "quantize": config.quantize,
        }
        return model, parameters, arguments

    return build
