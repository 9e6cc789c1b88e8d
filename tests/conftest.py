"""Small, seeded material for the tests: a corpus with a known structure, and models next to their plain reference."""

import os
import signal

import numpy as np
import pytest
import torch
from hypothesis import settings

from bitnet import Corpus, backend
from bitnet.backend import choose
from bitnet.config import BitNetConfig, RunConfig
from bitnet.run import run
from bitnet.transformer import BitNetModel

VOCABULARY = 2048

# The same examples in every run, however long they take on a busy machine.
settings.register_profile("bitnet", derandomize=True, deadline=None)
settings.load_profile("bitnet")

# One thread a process, here and in the commands that tests start: the tests run side by side, one process a core.
os.environ["OMP_NUM_THREADS"] = "1"
torch.set_num_threads(1)
# A job that a shell starts in the background has Ctrl-C ignored; tests that send it would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """No test waits for a network."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(
    params=[
        "BLAS",
        pytest.param(
            "oneDNN", marks=pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch without oneDNN")
        ),
    ]
)
def road(request, monkeypatch):
    """By which road float32 products go, whatever this machine would choose."""
    monkeypatch.setattr(backend, "_amd_with_avx512", lambda: request.param == "oneDNN")
    return request.param


def synthetic_corpus() -> Corpus:
    """61 440 tokens of which each names the next with probability 0.8, else a draw from Zipf's law: most tokens are rare."""
    generator = np.random.default_rng(0)
    zipf = 1 / np.arange(1, VOCABULARY + 1) ** 1.1
    draws = generator.choice(VOCABULARY, size=61_440, p=zipf / zipf.sum())
    follow = generator.random(61_440) < 0.8
    tokens = draws.copy()
    for i in range(1, len(tokens)):
        if follow[i]:
            tokens[i] = (tokens[i - 1] * 7 + 3) % 64  # a fixed successor among the 64 commonest
    return Corpus("synthetic", tokens.astype(np.uint16), "synthetic", VOCABULARY)


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    return synthetic_corpus()


@pytest.fixture(scope="session")
def tiny_runs(corpus, tmp_path_factory):
    """Real histories of 40 updates at hidden 8, by (arm, seed), for what draws or tells them."""
    folder, cpu = tmp_path_factory.mktemp("tiny"), choose("cpu", "float32")
    sizes = {"hidden": 8, "layers": 1, "heads": 1, "steps": 40, "eval_every": 20, "probe_positions": 310}
    chosen = [("l2-0.05", 0), ("l2-0.0", 0), ("l2-0.0", 1), ("adamw-0.0", 0), ("fp-adamw-0.0", 0)]
    chosen += [(arm, 0) for arm in ("l2-both-0", "l2-both-0.1", "adamw-both-0.1", "fp-l2-both-0.1")]
    return {
        (arm, seed): run(RunConfig(arm, seed=seed, **sizes), corpus, folder, cpu, say=lambda line: None) for arm, seed in chosen
    }


@pytest.fixture
def runs(tiny_runs):
    return [tiny_runs[arm, 0] for arm in ("l2-0.05", "l2-0.0", "adamw-0.0")]


@pytest.fixture
def model_and_reference():
    """A function of sizes: a model in float64, and the keyword arguments and parameters of its plain reference."""

    def build(batch_dtype=torch.float64, **sizes):
        config = BitNetConfig(**({"vocab_size": 97, "hidden_size": 32, "num_layers": 2} | sizes))
        torch.manual_seed(1)
        model = BitNetModel(config).to(batch_dtype)
        for name, p in model.named_parameters():
            # Norms of one leave a lone token's values whole multiples of one scale, some of them exactly halfway between
            # two levels, where the last bit of a sum decides. Trained norms do not.
            if "norm" in name:
                p.data.uniform_(0.5, 1.5)
        parameters = {name: p.detach().clone().requires_grad_() for name, p in model.named_parameters()}
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
