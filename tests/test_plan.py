"""Plans: what the parameters become."""

from pathlib import Path

import torch

from bitnet import Plan
from bitnet.plan import PLAN_STEPS, QUICK_STEPS


def test_the_default_is_a_quick_look_on_a_cpu():
    plan = Plan(device="cpu")
    assert plan.quick
    assert plan.steps == QUICK_STEPS
    assert [run.arm for run in plan.runs] == ["l2-0.05", "l2-0.0", "adamw-0.0"]


def test_the_default_is_the_plan_on_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    plan = Plan()
    assert plan.device == "cuda"
    assert not plan.quick
    assert plan.steps == PLAN_STEPS == 20_000


def test_asked_for_steps_are_taken_as_they_are():
    plan = Plan(hidden=512, steps=5000, device="cpu")
    assert not plan.quick
    assert {(run.hidden, run.steps, run.eval_every) for run in plan.runs} == {(512, 5000, 0)}


def test_arms_and_seeds_make_a_grid():
    plan = Plan(arms=["l2-0.0", "no-decay"], seeds="0, 1,2", device="cpu")
    assert [(run.arm, run.seed) for run in plan.runs] == [
        ("l2-0.0", 0), ("no-decay", 0), ("l2-0.0", 1), ("no-decay", 1), ("l2-0.0", 2), ("no-decay", 2),
    ]  # fmt: skip


def test_a_given_runs_folder_is_used(tmp_path):
    assert Plan(runs_dir=str(tmp_path)).runs_dir == tmp_path
    assert Plan(runs_dir="~/runs").runs_dir == Path.home() / "runs"
