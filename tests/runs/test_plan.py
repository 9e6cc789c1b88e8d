"""Plans: what the parameters become, and that a plan alone does nothing."""

import re
from pathlib import Path

import pytest
import torch

from bitnet import ParameterError, Plan, execute
from bitnet.scales import FULL, MINIATURE
from tests.support import effects
from tests.support.corpus import VOCABULARY
from tests.support.processes import start

SIZES = ("hidden", "steps", "vocabulary", "batch_size", "sequence_length")


def sizes(thing):
    return tuple(getattr(thing, name) for name in SIZES)


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)


def test_the_default_is_the_miniature_on_a_cpu():
    plan = Plan(device="cpu")
    assert plan.scale == "miniature"
    assert sizes(plan) == sizes(MINIATURE) == (64, 6000, 4096, 8, 32)
    assert [run.arm for run in plan.runs] == ["l2-0.05", "l2-0.0", "adamw-0.0"]
    assert {sizes(run) for run in plan.runs} == {sizes(MINIATURE)}


def test_the_default_is_the_briefs_size_on_a_gpu(gpu):
    plan = Plan()
    assert plan.device == "cuda"
    assert plan.scale == "full"
    assert sizes(plan) == sizes(plan.runs[0]) == sizes(FULL) == (256, 20_000, 50257, 4, 32)


def test_a_named_scale_does_not_ask_for_the_device(gpu):
    assert sizes(Plan(scale="full", device="cpu")) == sizes(FULL)
    assert sizes(Plan(scale="miniature", device="cuda")) == sizes(MINIATURE)


@pytest.mark.parametrize("scale", ["full", "miniature"])
@pytest.mark.parametrize("size", SIZES)
def test_a_size_that_is_given_is_taken_and_the_others_are_the_scales(scale, size):
    plan, default = Plan(scale=scale, device="cpu", **{size: 512}), Plan(scale=scale, device="cpu")
    changed = tuple(512 if name == size else getattr(default, name) for name in SIZES)
    assert sizes(plan) == sizes(plan.runs[0]) == changed
    assert plan.scale == scale


def test_asked_for_steps_are_taken_as_they_are():
    plan = Plan(hidden=512, steps=5000, device="cpu")
    assert {(run.hidden, run.steps, run.eval_every) for run in plan.runs} == {(512, 5000, 0)}


def test_every_run_has_the_order_of_the_plan():
    assert {run.order for run in Plan(seeds="0,1", order="7", device="cpu").runs} == {7}
    assert {run.order for run in Plan(device="cpu").runs} == {0}


def test_the_name_of_a_plan_says_scale_and_size_and_tells_plans_apart():
    assert re.fullmatch(r"verify-miniature-h64-t6000-[0-9a-f]{8}", Plan(device="cpu").name)
    assert Plan(scale="full", steps=8, device="cpu").name.startswith("verify-full-h256-t8-")
    others = [{}, {"arms": "l2-0.0"}, {"seeds": "0,1"}, {"corpus": "sotu"}, {"order": 1},
              {"eval_every": 9}]  # fmt: skip
    assert len({Plan(device="cpu", **other).name for other in others}) == len(others)
    assert Plan(device="cpu", runs_dir="elsewhere").name == Plan(device="cpu").name


def test_arms_and_seeds_make_a_grid():
    plan = Plan(arms=["l2-0.0", "no-decay"], seeds="0, 1,2", device="cpu")
    assert [(run.arm, run.seed) for run in plan.runs] == [
        ("l2-0.0", 0),
        ("no-decay", 0),
        ("l2-0.0", 1),
        ("no-decay", 1),
        ("l2-0.0", 2),
        ("no-decay", 2),
    ]


def test_a_given_runs_folder_is_used(tmp_path):
    assert Plan(runs_dir=str(tmp_path)).runs_dir == tmp_path
    assert Plan(runs_dir="~/runs").runs_dir == Path.home() / "runs"


def effects_of(code, folder):
    process, connection = start(effects.report, code, folder)
    found = connection.recv()
    process.join()
    return found


@pytest.mark.parametrize(
    "code",
    [
        "bitnet.Plan()",
        "bitnet.Plan(device='cpu', strict=True, runs_dir='runs', seeds='0,1,2').runs",
        "bitnet.Plan(device='cpu', precision='bfloat16', arms={'base': 'l2-0.0', 'decay': 0.01})",
    ],
)
def test_a_plan_starts_nothing_sets_nothing_and_writes_nothing(code, tmp_path):
    assert effects_of(code, tmp_path) == []


@pytest.mark.parametrize(
    ("code", "seen"),
    [
        ("open('file', 'w')", "open file"),
        ("import os; os.environ['NEW'] = '1'", "os.putenv"),
        ("import os; os.mkdir('runs')", "file "),
        ("import threading; threading.Thread(target=print).start()", "thread Thread-"),
        ("torch.set_num_threads(2); torch.ones(1 << 20).sum()", "workers: "),
        ("torch.use_deterministic_algorithms(True)", "deterministic: True"),
        ("torch.set_flush_denormal(True)", "denormal: 0.0"),
        ("torch.rand(1)", "random state"),
    ],
)
def test_an_effect_would_be_seen(code, seen, tmp_path):
    assert any(seen in line for line in effects_of(code, tmp_path))


def test_a_plan_loads_its_own_corpus_when_it_is_executed_without_one(tmp_path, corpus, monkeypatch):
    asked, lines = [], []

    def load(name, vocabulary, log):
        asked.append((name, vocabulary))
        log("Tokenising ...")
        return corpus

    monkeypatch.setattr("bitnet.runs.plan.load_corpus", load)
    plan = Plan(
        hidden=8, steps=8, arms="l2-0.0", device="cpu", corpus="wikitext-2", runs_dir=tmp_path,
        probe_positions=62, eval_every=8, vocabulary=VOCABULARY,
    )  # fmt: skip
    assert asked == []
    (history,) = execute(plan, log=lines.append)
    assert asked == [("wikitext-2", VOCABULARY)]
    assert lines == ["Tokenising ..."]
    assert history.manifest["corpus"]["fingerprint"] == corpus.fingerprint
    assert plan.load_corpus(lines.append) is corpus


def test_a_text_that_is_not_the_plans_is_refused_before_any_training(tmp_path, corpus):
    plan = Plan(hidden=8, steps=8, arms="l2-0.0", device="cpu", runs_dir=tmp_path / "runs")
    with pytest.raises(
        ParameterError, match=r"^corpus = 'synthetic': must be the plan's, wikipedia"
    ):
        execute(plan, corpus)
    assert not (tmp_path / "runs").exists()
