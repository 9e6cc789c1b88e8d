"""What decay alone does, as predicted: against torch's own optimizers, and in real runs."""

import pandas as pd
import pytest
import torch

from bitnet import RunConfig
from bitnet.analysis.mechanism import (
    GONE,
    block_table,
    death_step,
    death_table,
    faded,
    predicted_row_norms,
    shrunken,
)
from bitnet.arms import recipe as of_arm
from bitnet.recipes import Recipe
from bitnet.runs.run import run
from bitnet.runtime.backend import choose
from bitnet.schedule import learning_rate, weight_decay
from tests.support.corpus import VOCABULARY

WEIGHT = torch.tensor([[2.0, -1.0, 0.3, -0.1], [0.02, -1e-3, 0.0, 0.7]])


def path(recipe, total):
    """The weight after each update by torch's optimizer, its gradients zero, over the schedule."""
    weight = WEIGHT.clone().requires_grad_()
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[recipe.optimizer]
    optimizer = kind([weight], betas=(recipe.beta1, recipe.beta2), eps=recipe.eps)
    steps = []
    for t in range(1, total + 1):
        rates = {
            "lr": learning_rate(t, total, recipe.peak_lr),
            "weight_decay": weight_decay(t, total, recipe.stage1_decay, recipe.stage2_decay),
        }
        optimizer.param_groups[0].update(rates)
        weight.grad = torch.zeros_like(weight)
        optimizer.step()
        steps.append(weight.detach().clone())
    return steps


@pytest.mark.parametrize("decay", [0.1, 0.001])
def test_coupled_decay_walks_to_zero_by_the_rate_whatever_the_coefficient(decay):
    """Within 30 of the rates all along, and 160 updates after the predicted arrival within two.

    Adam compares a mean of some 10 gradients with one of some 20 older and so larger ones, and
    slows down towards zero.
    """
    recipe, total = Recipe(stage1_decay=decay, stage2_decay=decay), 1600
    at = range(1, total + 1, 10)
    steps = path(recipe, total)
    found = torch.stack([steps[t - 1] for t in at])
    predicted = torch.stack([shrunken(WEIGHT, recipe, total, t) for t in at])
    torch.testing.assert_close(found, predicted, rtol=0, atol=30 * recipe.peak_lr)
    gone = predicted[:-16] == 0
    assert gone.any(dim=0).sum() == 7  # all but the largest arrive
    assert found[16:][gone].abs().max() <= 2 * recipe.peak_lr
    assert predicted[-1, 0, 0] == pytest.approx(
        2 - sum(learning_rate(t, total, 1.5e-3) for t in range(1, 1592)), abs=1e-5
    )


def test_the_coefficient_of_coupled_decay_does_not_matter_and_that_of_decoupled_does():
    ends = {
        (optimizer, decay): shrunken(
            WEIGHT, Recipe(optimizer=optimizer, stage1_decay=decay, stage2_decay=decay), 1000, 1000
        )
        for optimizer in ("adam", "adamw")
        for decay in (0.001, 0.1)
    }
    assert torch.equal(ends["adam", 0.001], ends["adam", 0.1])
    assert not torch.allclose(ends["adamw", 0.001], ends["adamw", 0.1], rtol=1e-2)
    assert ends["adamw", 0.1].norm() > 1.2 * ends["adam", 0.1].norm()


@pytest.mark.parametrize("arm", ["adamw-0.0", "adamw-0.05", "adamw-0.0+decay=0.001"])
def test_decoupled_decay_is_that_of_adamw(arm):
    for t, weight in enumerate(path(of_arm(arm), 1000), start=1):
        torch.testing.assert_close(
            weight, shrunken(WEIGHT, of_arm(arm), 1000, t), rtol=1e-4, atol=0, msg=f"step {t}"
        )


def test_without_decay_in_stage_2_a_weight_stays_where_the_switch_left_it():
    """But for Adam's momentum, which carries it on by less than ten rates."""
    recipe = of_arm("l2-0.0")
    steps = path(recipe, 1000)
    assert torch.equal(shrunken(WEIGHT, recipe, 1000, 500), shrunken(WEIGHT, recipe, 1000, 1000))
    torch.testing.assert_close(steps[-1], steps[499], rtol=0, atol=10 * recipe.peak_lr)
    torch.testing.assert_close(
        steps[-1], shrunken(WEIGHT, recipe, 1000, 1000), rtol=0, atol=30 * recipe.peak_lr
    )


@pytest.mark.parametrize("arm", ["no-decay", "l2-blocks-0.0"])
def test_rows_that_do_not_decay_stay(arm):
    assert torch.equal(shrunken(WEIGHT, of_arm(arm), 1000, 1000), WEIGHT)
    assert death_step(1e-6, of_arm(arm), 1000) is None


@pytest.mark.parametrize("size", [0.3, 0.1, 0.02])
@pytest.mark.parametrize("arm", ["l2-0.0", "l2-0.1", "l2-0.0+decay=0.001"])
def test_the_death_step_is_where_the_path_arrives(arm, size):
    step = death_step(size, of_arm(arm), 1000)
    weight = torch.tensor([[size]])
    assert shrunken(weight, of_arm(arm), 1000, step).item() == 0
    assert shrunken(weight, of_arm(arm), 1000, step - 1).item() > 0
    column = {0.3: (0, 2), 0.1: (0, 3), 0.02: (1, 0)}[size]
    arrived = next(
        t for t, w in enumerate(path(of_arm(arm), 1000), start=1) if w[column].abs() < 5e-3
    )
    assert -10 <= arrived - step <= 60  # late for the larger ones, as Adam slows down


def test_what_outlasts_the_decay_has_no_death_step():
    assert death_step(2.0, of_arm("l2-0.1"), 1000) is None  # the whole path is 0.9 long
    assert death_step(1e-6, of_arm("adamw-0.05"), 1000) is None  # a factor never arrives
    before, after = (death_step(0.59, of_arm(arm), 1000) for arm in ("l2-0.1", "l2-0.0"))
    assert before is not None
    assert before > 500
    assert after is None  # it would have died in Stage 2, where there is no decay any more


@pytest.fixture(scope="module")
def runs(corpus, shared_runs):
    """One layer: 360 updates of coupled decay empty the head and do not empty the embedding."""
    cpu = choose("cpu", "float32")
    sizes = {
        "hidden": 16,
        "layers": 1,
        "heads": 1,
        "steps": 360,
        "eval_every": 30,
        "probe_positions": 62,
        "vocabulary": VOCABULARY,
    }
    arms = ("l2-0.1", "adamw-0.0", "l2-blocks-0.0")
    return {arm: run(RunConfig(arm, **sizes), corpus, shared_runs, cpu) for arm in arms}


@pytest.mark.parametrize(
    ("arm", "tolerance"), [("l2-0.1", 4e-3), ("adamw-0.0", 1e-5), ("l2-blocks-0.0", 1e-6)]
)
def test_embedding_rows_of_unseen_tokens_follow_the_prediction(runs, corpus, arm, tolerance):
    """They get no gradient at all: decoupled decay moves them exactly, coupled within 30 rates.

    These are 0.045 beside rows of a norm of about 4.
    """
    table = predicted_row_norms(runs[arm], corpus)
    assert list(table.columns) == ["step", "measured", "predicted"]
    assert table.step.tolist() == runs[arm].measures.step.tolist()
    assert table.measured.to_numpy() == pytest.approx(table.predicted.to_numpy(), rel=tolerance)
    fallen = table.measured.iloc[-1] / table.measured.iloc[0]
    low, high = {"l2-0.1": (0.6, 0.85), "adamw-0.0": (0.97, 0.99), "l2-blocks-0.0": (1, 1)}[arm]
    assert low <= fallen <= high


def test_head_rows_of_unseen_tokens_die_by_coupled_decay_alone(runs, corpus):
    """Their only gradient pushes all of them down together, which the prediction leaves out."""
    coupled, decoupled = (
        predicted_row_norms(runs[arm], corpus, "head") for arm in ("l2-0.1", "adamw-0.0")
    )
    assert coupled.measured.min() < 0.1 * coupled.measured.iloc[0]
    assert coupled.predicted.iloc[-1] == 0
    assert decoupled.measured.min() > 0.5 * decoupled.measured.iloc[0]


def test_the_death_table_names_each_run_once(runs, corpus):
    table = death_table(list(runs.values()), corpus)
    assert list(table.columns) == [
        "arm",
        "decay",
        "predicted",
        "measured",
        "lowest share of the first norm",
    ]
    assert table.arm.tolist() == list(runs)
    assert table.decay.tolist() == [0.1, 0.1, 0.1]
    dies, lives, spared = (row for _, row in table.iterrows())
    assert 360 // 8 < dies.predicted < 360
    assert pd.isna(lives.predicted)
    assert pd.isna(lives.measured)
    assert pd.isna(spared.predicted)
    assert dies["lowest share of the first norm"] < lives["lowest share of the first norm"]


def test_the_predicted_death_is_where_the_rows_fall_below_half(runs, corpus):
    (row,) = death_table([runs["l2-0.1"]], corpus).to_dict("records")
    head = predicted_row_norms(runs["l2-0.1"], corpus, "head")
    # Long before the largest, of size 1 / sqrt(16), is gone.
    assert row["predicted"] <= death_step(1 / 4, of_arm("l2-0.1"), 360)
    gone = head[head.predicted < GONE * head.predicted.iloc[0]].step.iloc[0]
    assert gone - 30 <= row["predicted"] <= gone


@pytest.mark.parametrize(("gradient", "wd"), [(1e-2, 0.1), (1e-3, 0.1), (1e-4, 0.1), (1e-3, 0.001)])
def test_decay_against_a_gradient_that_points_nowhere(gradient, wd):
    """2000 weights under Adam itself, their gradients of one size and of random sign."""
    recipe, total, steps = Recipe(stage1_decay=wd, stage2_decay=wd), 800, 400
    generator = torch.Generator().manual_seed(0)
    weight = torch.nn.Parameter(torch.full((2000,), 0.3))
    optimizer = torch.optim.Adam(
        [weight], betas=(recipe.beta1, recipe.beta2), eps=recipe.eps, weight_decay=wd
    )
    for t in range(1, steps + 1):
        optimizer.param_groups[0]["lr"] = learning_rate(t, total, recipe.peak_lr)
        weight.grad = gradient * (2.0 * torch.randint(0, 2, weight.shape, generator=generator) - 1)
        optimizer.step()
    predicted = faded(torch.full((1,), 0.3), recipe, total, steps, gradient).item()
    assert weight.mean().item() == pytest.approx(predicted, abs=0.005)  # some three learning rates
    assert faded(torch.full((1,), 0.3), recipe, total, steps).item() <= predicted


def test_the_blocks_prediction_is_of_the_runs_own_weights(runs, corpus):
    table = block_table([runs["l2-0.1"], runs["adamw-0.0"]], corpus)
    assert (table["decay alone"] < table["mean |W| at first"]).all()
    assert table["gradient (rms)"].gt(0).all()
    first = runs["l2-0.1"].health["mean_abs.ternary"].iloc[0]
    assert table["mean |W| at first"].iloc[0] == first
