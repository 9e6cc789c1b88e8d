"""Configurations, the table of arms, and the identity of a run."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitnet import ARMS, BitNetConfig, RunConfig

CONFIG = RunConfig("l2-0.0")


def test_the_arms_are_those_of_the_study():
    table = {
        name: (r.optimizer, r.stage1_decay, r.stage2_decay, r.peak_lr, r.label_smoothing, r.clip_norm, r.quantize)
        for name, r in ARMS.items()
    }
    assert table == {
        "l2-0.05": ("adam", 0.1, 0.05, 1.5e-3, 0.0, 1.0, True),
        "l2-0.0": ("adam", 0.1, 0.0, 1.5e-3, 0.0, 1.0, True),
        "l2-0.1": ("adam", 0.1, 0.1, 1.5e-3, 0.0, 1.0, True),
        "l2-reduced-lr": ("adam", 0.1, 0.1, 5e-4, 0.0, 1.0, True),
        "l2-label-smoothing": ("adam", 0.1, 0.1, 1.5e-3, 0.1, 1.0, True),
        "l2-grad-clip": ("adam", 0.1, 0.1, 1.5e-3, 0.0, 0.1, True),
        "adamw-0.05": ("adamw", 0.1, 0.05, 1.5e-3, 0.0, 1.0, True),
        "adamw-0.0": ("adamw", 0.1, 0.0, 1.5e-3, 0.0, 1.0, True),
        "no-decay": ("adam", 0.0, 0.0, 1.5e-3, 0.0, 1.0, True),
        "fp-l2-0.0": ("adam", 0.1, 0.0, 1.5e-3, 0.0, 1.0, False),
        "fp-adamw-0.0": ("adamw", 0.1, 0.0, 1.5e-3, 0.0, 1.0, False),
    }
    assert {(r.beta1, r.beta2, r.eps) for r in ARMS.values()} == {(0.9, 0.95, 1e-8)}


def test_the_default_model_is_the_seeds():
    config = RunConfig("l2-0.0").model()
    assert config == BitNetConfig(50257, 256, 4, 4, 4, 512, 1e-5, 10000.0, "double", True)
    assert not RunConfig("fp-l2-0.0").model().quantize


@given(st.sampled_from(sorted(ARMS)), st.integers(1, 64), st.integers(8, 10**6), st.integers(0, 2**31 - 1), st.integers(0, 99))
def test_a_configuration_survives_its_dictionary(arm, width, steps, seed, every):
    config = RunConfig(arm, hidden=8 * width, steps=steps, seed=seed, eval_every=every)
    assert RunConfig(**config.to_dict()) == config
    assert RunConfig(**config.to_dict()).identity("text", "cpu") == config.identity("text", "cpu")


@pytest.mark.parametrize(
    "change", [{"arm": "l2-0.05"}, {"hidden": 512}, {"steps": 100}, {"seed": 1}, {"layers": 2}, {"eval_every": 7}], ids=str
)
def test_whatever_decides_the_numbers_is_in_the_identity(change):
    assert replace(CONFIG, **change).identity("text", "cpu") != CONFIG.identity("text", "cpu")


def test_corpus_content_device_and_precision_are_in_the_identity():
    identities = {CONFIG.identity(*rest) for rest in (("a", "cpu"), ("b", "cpu"), ("a", "cuda"), ("a", "cpu", "bfloat16"))}
    assert len(identities) == 4
    assert replace(CONFIG, corpus="another name").identity("a", "cpu") == CONFIG.identity("a", "cpu")
