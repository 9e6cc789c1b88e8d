"""The table of arms, overrides of them, and the names that these get."""

from dataclasses import fields, replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bitnet import ARMS, ParameterError, Plan, Recipe, RunConfig
from bitnet.arms import LONGEST_NAME, arm_name, arm_names, decay_grid, recipe
from bitnet.recipes import DECAYED, WINDOWS
from bitnet.schedule import SCHEDULES

DECAYS = (0.0, 0.001, 0.01, 0.05, 0.1)


def test_the_arms_are_those_of_the_study():
    table = {
        name: (
            r.optimizer,
            r.stage1_decay,
            r.stage2_decay,
            r.peak_lr,
            r.label_smoothing,
            r.clip_norm,
            r.quantize,
        )
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
        "l2-blocks-0.0": ("adam", 0.1, 0.0, 1.5e-3, 0.0, 1.0, True),
        "recommended": ("adamw", 0.1, 0.1, 3e-3, 0.0, 1.0, True),
        "fp-recommended": ("adamw", 0.1, 0.1, 3e-3, 0.0, 1.0, False),
    }
    others = ("decayed", "schedule", "windows", "embedding_std", "unlikelihood")
    plain, recommended = [Recipe().to_dict()[name] for name in others], recipe("recommended")
    for name, r in ARMS.items():
        found = [r.to_dict()[other] for other in others]
        if name == "l2-blocks-0.0":
            assert found == ["blocks", *plain[1:]]
        elif name.endswith("recommended"):
            assert found == ["all-but-norm", "linear", "shuffled", 0.02, 4.0]
            assert r == replace(recommended, quantize=r.quantize)
        else:
            assert found == plain
    assert {(r.beta1, r.beta2, r.eps) for r in ARMS.values()} == {(0.9, 0.95, 1e-8)}


def test_the_decay_grid_crosses_kind_of_decay_coefficient_and_precision():
    """The same coefficient in both stages; without decay both kinds are one run, so 2 x (5 + 4)
    arms.
    """
    arms = decay_grid(DECAYS)
    assert len(arms) == len(set(arms)) == 18
    expected = [
        Recipe(optimizer, stage1_decay=decay, stage2_decay=decay, quantize=quantize)
        for quantize in (True, False)
        for optimizer in ("adam", "adamw")
        for decay in DECAYS
        if decay or optimizer == "adam"
    ]
    assert [recipe(arm) for arm in arms] == expected


def test_the_names_of_the_decay_grid_are_those_of_the_table_where_there_are_any():
    assert decay_grid([0.0, 0.05, 0.1]) == (
        "no-decay", "l2-0.0+decay=0.05", "l2-0.1",
        "adamw-0.0+decay=0.05", "adamw-0.0+decay=0.1",
        "fp-l2-0.0+decay=0.0", "fp-l2-0.0+decay=0.05", "fp-l2-0.0+decay=0.1",
        "fp-adamw-0.0+decay=0.05", "fp-adamw-0.0+decay=0.1",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arm", "name", "expected"),
    [
        (
            {"base": "adamw-0.0", "peak_lr": 3e-3},
            "adamw-0.0+peak_lr=0.003",
            Recipe("adamw", peak_lr=3e-3),
        ),
        ("adamw-0.0+peak_lr=3e-3", "adamw-0.0+peak_lr=0.003", Recipe("adamw", peak_lr=3e-3)),
        (
            {"base": "adamw-0.0", "peak_lr": "3.0e-3"},  # as YAML leaves it
            "adamw-0.0+peak_lr=0.003",
            Recipe("adamw", peak_lr=3e-3),
        ),
        (
            {"base": "l2-0.0", "decay": 1e-3},
            "l2-0.0+decay=0.001",
            Recipe(stage1_decay=1e-3, stage2_decay=1e-3),
        ),
        (
            {"base": "l2-0.0", "stage1_decay": 1e-3, "stage2_decay": 1e-3},
            "l2-0.0+decay=0.001",
            Recipe(stage1_decay=1e-3, stage2_decay=1e-3),
        ),
        (
            {"base": "l2-0.0", "decay": 1e-3, "stage2_decay": 0.0},
            "l2-0.0+stage1_decay=0.001",
            Recipe(stage1_decay=1e-3, stage2_decay=0.0),
        ),
        (
            "no-decay+quantize=False+decayed=blocks",
            "no-decay+quantize=False+decayed=blocks",
            Recipe(stage1_decay=0.0, quantize=False, decayed="blocks"),
        ),
        (
            {"base": "l2-0.1", "clip_norm": 5},
            "l2-0.1+clip_norm=5.0",  # nothing of the decay, which is as it was
            Recipe(stage2_decay=0.1, clip_norm=5.0),
        ),
    ],
    ids=str,
)
def test_overrides_have_a_readable_name_and_the_recipe_that_was_asked_for(arm, name, expected):
    assert arm_name(arm) == name
    assert recipe(name) == expected
    assert RunConfig(arm) == RunConfig(name)
    assert RunConfig(arm).recipe == expected


@pytest.mark.parametrize(
    ("arm", "name"),
    [
        ("l2-0.0", "l2-0.0"),
        ({"base": "l2-0.0"}, "l2-0.0"),
        ({"base": "l2-0.0", "peak_lr": 1.5e-3}, "l2-0.0"),
        ("l2-0.0+stage2_decay=0.05", "l2-0.05"),
        ({"base": "l2-0.0", "decay": 0.1}, "l2-0.1"),
        ({"base": "adamw-0.0", "optimizer": "adam", "decay": 0}, "no-decay"),
        ({"base": "adamw-0.0", "quantize": False}, "fp-adamw-0.0"),
        ("l2-0.0+decayed=blocks", "l2-blocks-0.0"),
        ({"base": "l2-0.1", "label_smoothing": 0.1}, "l2-label-smoothing"),
        ({"base": "l2-0.1", "decay": 0.1}, "l2-0.1"),
    ],
    ids=str,
)
def test_a_recipe_of_the_table_has_its_name_there(arm, name):
    assert arm_name(arm) == name


OVERRIDES = {
    "optimizer": st.sampled_from(["adam", "adamw"]),
    "peak_lr": st.floats(0, 1),
    "beta1": st.floats(0, 0.9999),
    "beta2": st.floats(0, 0.99999),
    "eps": st.floats(0, 1),
    "stage1_decay": st.floats(0, 1),
    "stage2_decay": st.floats(0, 1),
    "clip_norm": st.floats(1e-12, 1e12),
    "label_smoothing": st.floats(0, 0.999),
    "quantize": st.booleans(),
    "decayed": st.sampled_from(list(DECAYED)),
    "schedule": st.sampled_from(SCHEDULES),
    "windows": st.sampled_from(WINDOWS),
    "embedding_std": st.floats(0, 10),
    "unlikelihood": st.floats(0, 1000),
}
some_overrides = st.sets(st.sampled_from(sorted(OVERRIDES)), max_size=3).flatmap(
    lambda names: st.fixed_dictionaries({name: OVERRIDES[name] for name in names})
)


def test_every_field_of_a_recipe_may_be_overridden():
    assert list(OVERRIDES) == [field.name for field in fields(Recipe)]


@given(st.sampled_from(sorted(ARMS)), some_overrides)
def test_a_name_says_all_that_was_asked_for(base, overrides):
    """The name gives back the recipe to the last bit, and is a fixed point."""
    try:
        name = arm_name({"base": base, **overrides})
    except ParameterError as error:
        assert "longer than 100 letters" in str(error)
        assert len(error.args[1]) > LONGEST_NAME
        return
    assert recipe(name).to_dict() == ARMS[base].to_dict() | overrides
    assert arm_name(name) == name
    assert arm_name({"base": name.partition("+")[0]}) == name.partition("+")[0]


@given(st.sampled_from(sorted(ARMS)), some_overrides)
def test_only_what_differs_is_in_a_name(base, overrides):
    changed = {k: v for k, v in overrides.items() if ARMS[base].to_dict()[k] != v}
    assume("stage1_decay" not in changed and "stage2_decay" not in changed)
    try:
        name = arm_name({"base": base, **overrides})
    except ParameterError:
        return
    assert name in ARMS or name.startswith(base)
    if name not in ARMS:
        assert {part.partition("=")[0] for part in name.split("+")[1:]} == set(changed)


BAD = [
    (None, "arm = None", "must be one of l2-0.05, l2-0.0"),
    (3, "arm = 3", "must be one of l2-0.05, l2-0.0"),
    ("adamw", "arm = 'adamw'", "did you mean 'adamw-0.0'"),
    ("l2-blocks", "arm = 'l2-blocks'", "did you mean 'l2-blocks-0.0'"),
    ("adamw+peak_lr=1e-3", "arm = 'adamw'", "did you mean 'adamw-0.0'"),
    ({}, "arm = {}", "needs a base, one of l2-0.05, l2-0.0"),
    ({"peak_lr": 1e-3}, "arm = {'peak_lr': 0.001}", "needs a base, one of l2-0.05, l2-0.0"),
    ({"base": "l2"}, "base = 'l2'", "must be one of l2-0.05, l2-0.0"),
    ({"base": "adamw"}, "base = 'adamw'", "did you mean 'adamw-0.0'"),
    ({"base": ["l2-0.0"]}, "base = ['l2-0.0']", "must be one of"),
    ({"base": "l2-0.0", "peak_rl": 1}, "field of an arm = 'peak_rl'", "did you mean 'peak_lr'"),
    ({"base": "l2-0.0", 3: 1}, "field of an arm = 3", "must be one of optimizer, peak_lr"),
    ({"base": "l2-0.0", "peak_lr": 2}, "peak_lr = 2", "must be a number from 0.0 to 1.0"),
    ({"base": "l2-0.0", "peak_lr": None}, "peak_lr = None", "must be a number"),
    ({"base": "l2-0.0", "peak_lr": [1e-3]}, "peak_lr = [0.001]", "must be a number"),
    ({"base": "l2-0.0", "decay": 2}, "decay = 2", "must be a number from 0.0 to 1.0"),
    ({"base": "l2-0.0", "decay": "much"}, "decay = 'much'", "must be a number"),
    ({"base": "l2-0.0", "optimizer": "sgd"}, "optimizer = 'sgd'", "adam, adamw"),
    ({"base": "l2-0.0", "quantize": "no"}, "quantize = 'no'", "True or False"),
    ({"base": "l2-0.0", "decayed": "tail"}, "decayed = 'tail'", "all, blocks"),
    ("l2-0.0+", "field of an arm = ''", "must be one of optimizer"),
    ("l2-0.0+peak_lr", "peak_lr = ''", "must be a number"),
    ("l2-0.0+peak_lr=fast", "peak_lr = 'fast'", "must be a number"),
    ("l2-0.0+quantize=false", "quantize = 'false'", "True or False"),
    ("l2-0.0+base=adamw-0.0", "field of an arm = 'base'", "must be one of optimizer"),
    (
        {"base": "l2-label-smoothing", "peak_lr": 0.1 + 0.2, "eps": 1 / 3, "stage1_decay": 1 / 7,
         "label_smoothing": 1 / 9},
        "arm = 'l2-label-smoothing+peak_lr=0.30000000000000004+eps=",
        "longer than 100 letters; override fewer fields",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("arm", "named", "allowed"), BAD, ids=[str(arm) for arm, _, _ in BAD])
def test_an_arm_that_is_not_understood_is_refused_in_one_line(arm, named, allowed):
    for build in (arm_name, RunConfig):
        with pytest.raises(ParameterError) as error:
            build(arm)
        message = str(error.value)
        assert message.startswith(named)
        assert allowed in message
        assert "\n" not in message


def test_several_arms_come_as_text_as_a_list_or_as_a_mapping():
    override = {"base": "adamw-0.0", "peak_lr": 3e-3}
    assert arm_names("arms", "l2-0.0, adamw-0.0+peak_lr=3e-3,") == (
        "l2-0.0", "adamw-0.0+peak_lr=0.003",
    )  # fmt: skip
    assert arm_names("arms", ["l2-0.0", override]) == ("l2-0.0", "adamw-0.0+peak_lr=0.003")
    assert arm_names("arms", override) == ("adamw-0.0+peak_lr=0.003",)


@pytest.mark.parametrize(
    ("arms", "named", "allowed"),
    [
        ("", "arms = ''", "one or more"),
        ([], "arms = []", "one or more"),
        (3, "arms = 3", "must be one of"),
        ([["l2-0.0"]], "arms = ['l2-0.0']", "must be one of"),
        ("l2-0.0,l2-0.0", "arms = 'l2-0.0,l2-0.0'", "each once"),
        (["l2-0.1", {"base": "l2-0.0", "decay": 0.1}], "arms = ['l2-0.1', {", "each once"),
        ([{"peak_lr": 1}], "arms = {'peak_lr': 1}", "needs a base"),
        ("l2-0.0,adamw-0.0+peak_lr=9", "arms: peak_lr = '9'", "from 0.0 to 1.0"),
        ({"base": "l2"}, "arms: base = 'l2'", "must be one of"),
    ],
    ids=str,
)
def test_arms_that_are_not_understood_are_refused_under_the_name_of_the_parameter(
    arms, named, allowed
):
    for build in (lambda arms: arm_names("arms", arms), lambda arms: Plan(arms=arms)):
        with pytest.raises(ParameterError) as error:
            build(arms)
        message = str(error.value)
        assert message.startswith(named)
        assert allowed in message
        assert "\n" not in message


def test_a_plan_takes_overrides_beside_names():
    plan = Plan(arms=["l2-0.0", {"base": "adamw-0.0", "peak_lr": 3e-3}], seeds="0,1", device="cpu")
    assert plan.arms == ("l2-0.0", "adamw-0.0+peak_lr=0.003")
    assert [(run.arm, run.seed) for run in plan.runs] == [
        ("l2-0.0", 0), ("adamw-0.0+peak_lr=0.003", 0),
        ("l2-0.0", 1), ("adamw-0.0+peak_lr=0.003", 1),
    ]  # fmt: skip
    assert plan.runs[1].recipe == Recipe("adamw", peak_lr=3e-3)


def test_an_override_has_an_identity_of_its_own_whichever_way_it_is_given():
    given_ways = ({"base": "adamw-0.0", "peak_lr": 3e-3}, "adamw-0.0+peak_lr=3e-3")
    names = {RunConfig(arm).identity("text", "cpu") for arm in given_ways}
    assert len(names) == 1
    assert names.pop().startswith("adamw-0.0+peak_lr=0.003-h256-t20000-s0-")
    assert RunConfig("adamw-0.0").identity("text", "cpu") != RunConfig(given_ways[0]).identity(
        "text", "cpu"
    )
