"""How an optimizer applies decay, found by trial, and the update that its moments hold."""

import pytest
import torch
from torch import nn, optim

from benchmarks.models import PlainGPT, token_text, train
from bitnet import BitNetConfig, BitNetModel, ParameterError, Recipe
from bitnet.diagnosis.optimizer import Stepper
from bitnet.diagnosis.subject import Subject
from bitnet.train import make_optimizer

MODEL = PlainGPT()
SUBJECT = Subject.of(MODEL, torch.arange(9))


class Lion(optim.Optimizer):
    """A stranger's optimizer with decoupled decay (Chen et al. 2023, algorithm 2)."""

    def __init__(self, params, lr=1e-4, weight_decay=0.0):
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                p.mul_(1 - group["lr"] * group["weight_decay"]).sub_(group["lr"] * p.grad.sign())


class Stubborn(Lion):
    """One that cannot be made a second time."""

    def __init__(self, params, secret):
        super().__init__(params, weight_decay=0.1)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda p: optim.Adam(p, weight_decay=0.1), "coupled"),
        (lambda p: optim.Adam(p, weight_decay=1e-6, amsgrad=True, fused=True), "coupled"),
        (lambda p: optim.Adam(p), "none"),
        (lambda p: optim.Adam(p, weight_decay=0.1, decoupled_weight_decay=True), "proportional"),
        (lambda p: optim.AdamW(p), "proportional"),
        (lambda p: optim.AdamW([{"params": p, "weight_decay": 0.0}]), "none"),
        (lambda p: optim.NAdam(p, weight_decay=0.1), "coupled"),
        (lambda p: optim.NAdam(p, weight_decay=0.1, decoupled_weight_decay=True), "proportional"),
        (lambda p: optim.Adamax(p, weight_decay=0.1), "coupled"),
        (lambda p: optim.Adagrad(p, weight_decay=0.1), "coupled"),
        (lambda p: optim.RMSprop(p, weight_decay=0.1, momentum=0.9, centered=False), "coupled"),
        (lambda p: optim.SGD(p, lr=0.1, weight_decay=0.1), "proportional"),
        (lambda p: optim.SGD(p, lr=0.1, weight_decay=0.1, momentum=0.9, nesterov=True),
         "proportional"),
        (lambda p: optim.Adafactor(p, weight_decay=0.1), "proportional"),
        (lambda p: Lion(p, weight_decay=0.1), "proportional"),
        (lambda p: Stubborn(p, "secret"), "unknown"),
    ],
)  # fmt: skip
def test_the_kind_of_decay_is_found_by_trial(make, kind):
    assert Stepper.of(make(list(MODEL.parameters())), SUBJECT).kind == kind


@pytest.mark.parametrize(("name", "kind"), [("adam", "coupled"), ("adamw", "proportional")])
def test_the_optimizers_of_this_study_are_known(name, kind):
    model = BitNetModel(BitNetConfig(vocab_size=9, hidden_size=8, num_layers=1, num_heads=1))
    optimizer = make_optimizer(model, Recipe(optimizer=name))
    optimizer.param_groups[0]["weight_decay"] = 0.1
    assert Stepper.of(optimizer, Subject.of(model, torch.arange(9))).kind == kind


def test_settings_are_those_of_the_groups_and_a_wrapper_is_looked_through():
    groups = [
        {"params": MODEL.head.parameters(), "weight_decay": 0.3},
        {"params": MODEL.wte.parameters(), "lr": 0.5},
    ]
    inner = optim.AdamW(groups, lr=0.1, weight_decay=0.2)
    wrapper = type("Accelerated", (), {"optimizer": inner})()
    found = Stepper.of(wrapper, SUBJECT)
    assert (found.name, found.rate, found.coefficient) == ("AdamW", 0.5, 0.3)
    assert found.decay(MODEL.head.weight) == 0.3
    assert found.decay(MODEL.wte.weight) == 0.2
    assert found.decay(MODEL.wpe.weight) == 0.0


def test_what_is_no_optimizer_or_another_model_s_is_refused():
    for optimizer, match in (
        ("AdamW", "^optimizer = 'str': must be a torch.optim.Optimizer"),
        (optim.AdamW(PlainGPT().parameters()), "^optimizer = 'AdamW': holds none of the model's"),
    ):
        with pytest.raises(ParameterError, match=match):
            Stepper.of(optimizer, SUBJECT)


@pytest.mark.parametrize(
    "make",
    [
        lambda p: optim.Adam(p, lr=1e-2),
        lambda p: optim.AdamW(p, lr=1e-2, weight_decay=0.0, amsgrad=True, betas=(0.8, 0.9)),
        lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
    ],
)
def test_the_update_that_is_ready_is_the_optimizer_s_own(make):
    """A gradient that is what the moments hold leaves the first of them, and moves by `ready`."""
    torch.manual_seed(0)
    model = PlainGPT()
    optimizer = make(list(model.parameters()))
    train(model, optimizer, token_text(tokens=2000), steps=4)
    ready = Stepper.of(optimizer, Subject.of(model, torch.arange(9))).ready
    before = {p: p.detach().clone() for p in model.parameters()}
    for p in model.parameters():
        state = optimizer.state[p]
        if "exp_avg" in state:
            # At this gradient m / (1 - beta1^t) stays as it is, and v moves by little.
            p.grad = state["exp_avg"] / (1 - optimizer.param_groups[0]["betas"][0] ** 4)
        else:
            p.grad = state["momentum_buffer"] * (1 - 0.9)
    optimizer.step()
    for p, old in before.items():
        moved = (old - p.detach()).norm()
        assert ready[p].norm() == pytest.approx(moved.item(), rel=0.2)
        cosine = nn.functional.cosine_similarity(
            (old - p.detach()).flatten(), ready[p].flatten(), 0
        )
        assert cosine > 0.98


def test_no_update_is_ready_without_moments_or_of_an_unknown_kind():
    model = PlainGPT()
    ids = token_text(tokens=2000)
    for make in (lambda p: optim.SGD(p, lr=0.1), lambda p: optim.RMSprop(p)):
        optimizer = make(list(model.parameters()))
        train(model, optimizer, ids, steps=1)
        assert Stepper.of(optimizer, Subject.of(model, ids)).ready is None
    fresh = Stepper.of(optim.AdamW(model.parameters()), Subject.of(model, ids))
    assert fresh.ready is None
    assert fresh.updates == 0
