"""Configurations, the label of a run, and its identity."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitnet import ARMS, BitNetConfig, Recipe, RunConfig

CONFIG = RunConfig("l2-0.0")


def test_the_default_model_is_the_seeds():
    config = RunConfig("l2-0.0").model()
    assert config == BitNetConfig(50257, 256, 4, 4, 4, 512, 1e-5, 10000.0, "double", True)
    assert not RunConfig("fp-l2-0.0").model().quantize


@given(
    st.sampled_from(sorted(ARMS)),
    st.integers(1, 64),
    st.integers(8, 10**6),
    st.integers(0, 2**31 - 1),
    st.integers(0, 99),
    st.integers(256, 65535),
    st.integers(0, 2**31 - 1),
)
def test_a_configuration_survives_its_dictionary(arm, width, steps, seed, every, tokens, order):
    sizes = {"hidden": 8 * width, "steps": steps, "eval_every": every, "vocabulary": tokens}
    config = RunConfig(arm, seed=seed, order=order, **sizes)
    assert RunConfig(**config.to_dict()) == config
    assert RunConfig(**config.to_dict()).identity("text", "cpu") == config.identity("text", "cpu")


@pytest.mark.parametrize(
    "change",
    [
        {"arm": "l2-0.05"},
        {"arm": "l2-0.0+schedule=linear"},
        {"arm": "l2-0.0+windows=shuffled"},
        {"arm": "l2-0.0+embedding_std=0.02"},
        {"arm": "l2-0.0+unlikelihood=1.0"},
        {"vocabulary": 4096},
        {"order": 1},
        {"batch_size": 8},
        {"sequence_length": 16},
        {"hidden": 512},
        {"steps": 100},
        {"seed": 1},
        {"layers": 2},
        {"eval_every": 7},
    ],
    ids=str,
)
def test_whatever_decides_the_numbers_is_in_the_identity(change):
    assert replace(CONFIG, **change).identity("text", "cpu") != CONFIG.identity("text", "cpu")


def test_corpus_content_device_and_precision_are_in_the_identity():
    identities = {
        CONFIG.identity(*rest)
        for rest in (("a", "cpu"), ("b", "cpu"), ("a", "cuda"), ("a", "cpu", "bfloat16"))
    }
    assert len(identities) == 4
    assert replace(CONFIG, corpus="another name").identity("a", "cpu") == CONFIG.identity(
        "a", "cpu"
    )


@pytest.mark.parametrize(
    ("arm", "name"),
    [
        ("l2-0.0", "l2-0.0-h256-t20000-s0-7bf84ef07a"),
        ("adamw-0.05", "adamw-0.05-h256-t20000-s0-2353a37172"),
        ("fp-l2-0.0", "fp-l2-0.0-h256-t20000-s0-7e00ca1cd4"),
    ],
)
def test_runs_keep_the_names_they_had_before_a_recipe_had_more_fields(arm, name):
    """Of the same version of the recipe, so that finished runs are found again."""
    assert RunConfig(arm).identity("fingerprint", "cpu") == name


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({}, "l2-0.0-h256-t20000-s0"),
        ({"vocabulary": 4096}, "l2-0.0-h256-v4096-t20000-s0"),
        ({"order": 3}, "l2-0.0-h256-t20000-s0-o3"),
        ({"vocabulary": 300, "order": 12, "seed": 2}, "l2-0.0-h256-v300-t20000-s2-o12"),
        ({"batch_size": 8, "sequence_length": 16}, "l2-0.0-h256-t20000-s0"),
    ],
    ids=str,
)
def test_vocabulary_and_order_are_in_the_name_where_they_are_not_the_first_runs(change, name):
    config = replace(CONFIG, **change)
    assert config.name == name
    identity, _, digest = config.identity("text", "cpu").rpartition("-")
    assert identity == name
    assert len(digest) == 10
    assert (digest == CONFIG.identity("text", "cpu").rpartition("-")[2]) is (not change)


def test_a_default_that_is_spelled_out_changes_no_identity():
    spelled = RunConfig("l2-0.0", vocabulary="50257", order=0)
    assert spelled == CONFIG
    assert spelled.identity("text", "cpu") == CONFIG.identity("text", "cpu")


def test_the_model_has_the_vocabulary_of_its_run():
    assert replace(CONFIG, vocabulary=4096).model().vocab_size == 4096
    assert replace(CONFIG, vocabulary=4096).model(300).vocab_size == 300


def test_strictness_is_in_the_identity_where_it_changes_anything():
    assert CONFIG.identity("text", "cuda", strict=True) != CONFIG.identity("text", "cuda")
    assert CONFIG.identity("text", "cpu", strict=True) == CONFIG.identity("text", "cpu")


def test_the_weights_that_decay_are_in_the_identity(monkeypatch):
    before = CONFIG.identity("text", "cpu")
    monkeypatch.setitem(ARMS, "l2-0.0", replace(ARMS["l2-0.0"], decayed="blocks"))
    assert CONFIG.identity("text", "cpu") != before


def test_the_committed_runs_have_the_names_that_this_code_gives(committed):
    """So that they are found again, and by the same recipe."""
    assert len(committed) == 22
    for history in committed:
        facts = history.manifest
        device = facts["device"]
        name = history.config.identity(
            facts["corpus"]["fingerprint"], device["kind"], device["precision"], device["strict"]
        )
        assert name == history.folder.name == facts["identity"]
        # They are older than some fields, which have their defaults for them.
        assert history.config.recipe.to_dict() == Recipe().to_dict() | facts["recipe"]


def test_a_label_names_arm_hidden_steps_and_seed():
    assert CONFIG.label() == "l2-0.0, hidden 256, 20000 steps, seed 0"
    other = RunConfig("adamw-0.0+peak_lr=3e-3", hidden=512, steps=160, seed=2)
    assert other.label() == "adamw-0.0+peak_lr=0.003, hidden 512, 160 steps, seed 2"


def test_a_label_names_a_corpus_that_is_not_the_default():
    other = replace(CONFIG, corpus="wikitext-2")
    assert other.label() == "l2-0.0, hidden 256, 20000 steps, seed 0, wikitext-2"


@pytest.mark.parametrize(
    ("change", "label"),
    [
        ({"vocabulary": 4096}, "l2-0.0, hidden 256, vocabulary 4096, 20000 steps, seed 0"),
        ({"order": 3}, "l2-0.0, hidden 256, 20000 steps, seed 0, order 3"),
        ({"batch_size": 8}, "l2-0.0, hidden 256, 20000 steps, seed 0"),
        ({"sequence_length": 16}, "l2-0.0, hidden 256, 20000 steps, seed 0"),
    ],
    ids=str,
)
def test_a_label_names_vocabulary_and_order_that_are_not_the_default_and_no_batch(change, label):
    assert replace(CONFIG, **change).label() == label


@pytest.mark.parametrize(
    ("others", "label"),
    [
        ([], "l2-0.0"),
        ([{"arm": "l2-0.05"}, {"arm": "no-decay"}], "l2-0.0"),
        ([{"seed": 1}], "l2-0.0, seed 0"),
        ([{"hidden": 512}], "l2-0.0, hidden 256"),
        ([{"hidden": 512, "seed": 1}], "l2-0.0, hidden 256, seed 0"),
        ([{"steps": 160}], "l2-0.0, 20000 steps"),
        ([{"corpus": "wikitext-2"}], "l2-0.0, wikipedia-sample"),
        ([{"vocabulary": 4096}], "l2-0.0, vocabulary 50257"),
        ([{"order": 1}], "l2-0.0, order 0"),
        ([{"batch_size": 8}], "l2-0.0, batch 4"),
        ([{"sequence_length": 16}], "l2-0.0, windows of 32"),
        ([{"vocabulary": 300, "batch_size": 8}], "l2-0.0, vocabulary 50257, batch 4"),
        ([{"layers": 2}], "l2-0.0"),  # no label tells these apart
    ],
    ids=str,
)
def test_a_label_among_others_names_what_differs(others, label):
    among = [CONFIG, *(replace(CONFIG, **change) for change in others)]
    assert CONFIG.label(among) == label


def test_what_all_runs_share_is_in_none_of_their_labels():
    small = replace(CONFIG, vocabulary=4096, batch_size=8, order=3)
    assert small.label([small, replace(small, seed=1)]) == "l2-0.0, seed 0"


def test_labels_among_runs_that_differ_in_what_a_label_names_are_different():
    among = [
        RunConfig(arm, hidden=hidden, seed=seed, order=order, batch_size=batch)
        for arm in ("l2-0.0", "adamw-0.0")
        for order in (0, 1)
        for batch in (4, 8)
        for hidden in (256, 512)
        for seed in (0, 1)
    ]
    assert len({run.label(among) for run in among}) == len(among)


@pytest.mark.parametrize(
    ("arm", "switch"),
    [
        ("l2-0.0", 15), ("no-decay", 15), ("recommended", None),
        ("recommended+schedule=two-stage", 15), ("recommended+stage2_decay=0.0", 15),
    ],
)  # fmt: skip
def test_a_run_has_a_switch_where_anything_changes_at_it(arm, switch):
    assert RunConfig(arm, steps=30).switch == switch
