"""Configurations, the table of arms, and the identity of a run."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitnet import ARMS, BitNetConfig, Recipe, RunConfig
from bitnet.arms import GRID, GRID_DECAYS

CONFIG = RunConfig("l2-0.0")


def test_the_arms_are_those_of_the_study():
    table = {
        name: (r.optimizer, r.stage1_decay, r.stage2_decay, r.peak_lr, r.label_smoothing, r.clip_norm, r.quantize)
        for name, r in ARMS.items()
        if name not in GRID
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
        "l2-blocks-0.0": ("adam", 0.1, 0.0, 1.5e-3, 0.0, 1.0, True),
    }
    assert [name for name, r in ARMS.items() if r.decayed != "all"] == ["l2-blocks-0.0"]
    assert {(r.beta1, r.beta2, r.eps) for r in ARMS.values()} == {(0.9, 0.95, 1e-8)}


def test_the_grid_crosses_kind_of_decay_coefficient_and_precision():
    """The same coefficient in both stages; without decay both kinds are one run, so 2 x (5 + 4) arms."""
    assert len(GRID) == 18
    for quantize, prefix in ((True, ""), (False, "fp-")):
        for kind, optimizer in (("l2", "adam"), ("adamw", "adamw")):
            for decay, text in zip(GRID_DECAYS, ("0", "0.001", "0.01", "0.05", "0.1"), strict=True):
                name = f"{prefix}{kind}-both-{text}"
                recipe = Recipe(optimizer, stage1_decay=decay, stage2_decay=decay, quantize=quantize)
                if name == f"{prefix}adamw-both-0":
                    assert name not in ARMS
                else:
                    assert ARMS[name] == GRID[name] == recipe


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


@pytest.mark.parametrize(
    ("arm", "name"),
    [
        ("l2-0.0", "l2-0.0-h256-t20000-s0-7bf84ef07a"),
        ("adamw-0.05", "adamw-0.05-h256-t20000-s0-2353a37172"),
        ("fp-l2-0.0", "fp-l2-0.0-h256-t20000-s0-7e00ca1cd4"),
    ],
)
def test_runs_keep_the_names_they_had_before_the_decayed_weights_could_be_chosen(arm, name):
    """Of the same version of the recipe, so that finished runs are found again."""
    assert RunConfig(arm).identity("fingerprint", "cpu") == name


def test_strictness_is_in_the_identity_where_it_changes_anything():
    assert CONFIG.identity("text", "cuda", strict=True) != CONFIG.identity("text", "cuda")
    assert CONFIG.identity("text", "cpu", strict=True) == CONFIG.identity("text", "cpu")


def test_the_weights_that_decay_are_in_the_identity(monkeypatch):
    before = CONFIG.identity("text", "cpu")
    monkeypatch.setitem(ARMS, "l2-0.0", replace(ARMS["l2-0.0"], decayed="blocks"))
    assert CONFIG.identity("text", "cpu") != before
