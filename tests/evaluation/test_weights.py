"""The health of the latent weights, against plain computation, and on weights set by hand."""

import math

import pytest
import torch

from bitnet import RunConfig, Trainer
from bitnet.evaluation.evaluate import Evaluation
from bitnet.evaluation.weights import HEALTH, ROW_BINS, WeightHealth
from bitnet.linear import BitLinear
from bitnet.recipes import GROUPS
from bitnet.runtime.backend import choose
from bitnet.train import initial_model

CPU = choose("cpu", "float32")
SMALL = {"hidden": 32, "layers": 2, "heads": 2, "probe_positions": 62}
COUNTS = torch.tensor([0] * 40 + [1, 9, 10, 99, 100, 999, 1000, 5000] + [0] * 12)  # of 60 tokens


def small_model(arm="l2-0.0"):
    return initial_model(RunConfig(arm, **SMALL), len(COUNTS))


def group_of(name):
    if "norm" in name:
        return "norm"
    return {"token_embeddings.weight": "embedding", "lm_head.weight": "head"}.get(name, "ternary")


def norm(tensors):
    return torch.cat([t.detach().double().flatten() for t in tensors]).norm().item()


def same(a, b):
    """Equal names and values, where NaN equals NaN."""
    return a.keys() == b.keys() and all(
        a[k] == b[k] or (math.isnan(a[k]) and math.isnan(b[k])) for k in a
    )


@pytest.mark.parametrize(
    "arm",
    ["l2-0.0", "l2-grad-clip", "adamw-0.0", "fp-l2-0.0", "l2-blocks-0.0", "l2-0.0+decayed=norm"],
)
def test_norms_of_each_group_are_those_of_its_weights_after_an_update(corpus, arm):
    trainer = Trainer(RunConfig(arm, **SMALL), corpus, CPU)
    trainer.update(1)
    found = Evaluation(trainer.config, corpus).health(trainer.model, 0.1)
    assert tuple(found) == HEALTH
    for group in GROUPS:
        weights = [p for name, p in trainer.model.named_parameters() if group_of(name) == group]
        mean = sum(w.abs().sum().item() for w in weights) / sum(w.numel() for w in weights)
        assert found[f"mean_abs.{group}"] == pytest.approx(mean, rel=1e-5)
        assert found[f"gradient.{group}"] == pytest.approx(
            norm([w.grad for w in weights]), rel=1e-5
        )
        applies = group in trainer.recipe.decayed_groups
        assert found[f"penalty.{group}"] == pytest.approx(0.1 * norm(weights) * applies, rel=1e-5)


@pytest.mark.parametrize(("arm", "clip"), [("l2-0.0", 1.0), ("l2-grad-clip", 0.1)])
def test_the_gradient_is_the_clipped_one_without_the_penalty(corpus, arm, clip):
    """Its total norm is the clip, which the first gradient exceeds; a penalty in it would show."""
    trainer = Trainer(RunConfig(arm, **SMALL), corpus, CPU)
    trainer.update(1)
    found = Evaluation(trainer.config, corpus).health(trainer.model, 0.1)
    total = math.hypot(*(found[f"gradient.{group}"] for group in GROUPS))
    assert total == pytest.approx(clip, rel=1e-4)
    assert math.hypot(*(found[f"penalty.{group}"] for group in GROUPS)) > clip


def test_rows_are_binned_by_how_often_their_token_stands_in_the_text():
    model = small_model()
    found = WeightHealth(COUNTS)(model, 0.0)
    members = {
        "never": [*range(40), *range(48, 60)],
        "1-9": [40, 41],
        "10-99": [42, 43],
        "100-999": [44, 45],
        "1000+": [46, 47],
    }
    assert members.keys() == ROW_BINS.keys()
    for which, weight in (
        ("embedding", model.token_embeddings.weight),
        ("head", model.lm_head.weight),
    ):
        for name, rows in members.items():
            expected = weight[rows].norm(dim=1).mean().item()
            assert found[f"row_norm.{which}.{name}"] == pytest.approx(expected, rel=1e-6), (
                which,
                name,
            )


def test_every_row_is_in_one_bin():
    counts = torch.tensor([0, 1, 5, 9, 10, 50, 99, 100, 999, 1000, 123_456])
    bins = torch.stack(list(WeightHealth(counts).rows.values()))
    assert bins.sum(dim=0).tolist() == [1] * 11


def test_a_bin_without_tokens_has_no_norm():
    model = initial_model(RunConfig("l2-0.0", **SMALL), 3)
    found = WeightHealth(torch.tensor([5, 5, 5]))(model, 0.0)
    assert math.isnan(found["row_norm.embedding.never"])
    assert math.isfinite(found["row_norm.embedding.1-9"])


@pytest.mark.parametrize("arm", ["l2-0.0", "fp-l2-0.0"])
def test_ternary_shares_are_those_of_all_blocks_together(arm):
    """Of a full-precision model they are those that its weights would have had."""
    model = small_model(arm)
    found = WeightHealth(COUNTS)(model, 0.0)
    layers = [m.weight for m in model.modules() if isinstance(m, BitLinear)]
    assert len(layers) == 8
    values = torch.cat([(w / w.abs().mean()).round().clamp(-1, 1).flatten() for w in layers])
    for name, value in (("minus", -1), ("zero", 0), ("plus", 1)):
        assert found[name] == pytest.approx((values == value).float().mean().item(), abs=1e-6)
    assert found["minus"] + found["zero"] + found["plus"] == pytest.approx(1, abs=1e-12)


def set_signs(model, changed):
    """Weights of plus or minus one, all plus but the first `changed` of one layer."""
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, BitLinear):
                module.weight.fill_(1.0)
        model.blocks[1].feedforward.down.weight.view(-1)[:changed] = -1.0


def test_flips_and_flips_back_are_counted_against_the_two_evaluations_before():
    model = small_model()
    health = WeightHealth(COUNTS)
    total = sum(m.weight.numel() for m in model.modules() if isinstance(m, BitLinear))
    shares = []
    for changed in (0, 5, 5, 2, 5, 5, 0):
        set_signs(model, changed)
        found = health(model, 0.0)
        assert found["minus"] == pytest.approx(changed / total)
        shares.append((found["flipped"] * total, found["flipped_back"] * total))
    assert all(math.isnan(share) for share in shares[0])
    assert shares[1][0] == pytest.approx(5)
    assert math.isnan(shares[1][1])  # nothing before the one before
    # 5, 5: none flips. 5, 2: three flip, but stood at minus in both evaluations before. 2, 5: the
    # three flip back.
    expected = [(0, 0), (3, 0), (3, 3), (0, 0), (5, 0)]
    for found, wanted in zip(shares[2:], expected, strict=True):
        assert found == pytest.approx(wanted, abs=1e-9)


def test_a_restored_state_resumes_alike():
    model = small_model()
    health, other = WeightHealth(COUNTS), WeightHealth(COUNTS)
    for changed in (0, 5):
        set_signs(model, changed)
        health(model, 0.0)
    other.restore({name: values.clone() for name, values in health.state().items()})
    for changed in (0, 3, 3):
        set_signs(model, changed)
        assert same(health(model, 0.1), other(model, 0.1))
    # Without the state it would have been noticed.
    assert not same(WeightHealth(COUNTS)(model, 0.1), health(model, 0.1))


def test_a_state_after_one_evaluation_or_none_can_be_restored():
    model = small_model()
    for evaluations in (0, 1):
        health, other = WeightHealth(COUNTS), WeightHealth(COUNTS)
        for _ in range(evaluations):
            health(model, 0.0)
        other.restore(health.state())
        assert same(health(model, 0.0), other(model, 0.0))
