"""What is public refuses values of another kind in one line that names the parameter."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

import bitnet
from bitnet import History, Plan
from bitnet.analysis.baselines import baselines
from bitnet.analysis.results import load_plan, load_results, survey
from bitnet.checks import OneLineError, printable
from bitnet.decode import prompt_ids
from bitnet.display.bundle import read_bundle
from bitnet.display.report import read_report
from bitnet.display.report_folder import claim_report
from bitnet.runs.grid import Grid
from bitnet.runs.table import read_table

# None of them is what these parameters take, but for `TAKEN`.
ODD = {
    "True": True, "3.5": 3.5, "-1": -1, "a long number": 10**400, "bytes": b"x",
    "an object": object(),
    "not a number": float("nan"), "NUL": "a\0b", "half a character": "\ud800", "long": "x" * 5000,
    "an array": np.array([1, 2]), "an array of no dimension": np.array(2.5), "a mapping": {"a": 1},
    "nested": [[1]], "complex": 1j, "a function": lambda: 0, "no user's": "~nosuchuser/x",
}  # fmt: skip
TAKEN = {
    ("strict", "True"), ("seeds", "an array"), ("temperature", "3.5"), ("prompt", "NUL"),
    ("prompt", "long"), ("prompt", "no user's"), ("prompts", "NUL"), ("prompts", "long"),
    ("prompts", "no user's"),
}  # fmt: skip


def refused(name, odd, act):
    if (name, odd) in TAKEN:
        return
    with pytest.raises(OneLineError) as error:
        act()
    said = str(error.value)
    assert said
    assert "\n" not in said
    assert printable(said) == said
    assert len(said) < 6000


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("name", [field.name for field in fields(Plan) if field.init])
def test_every_parameter_of_a_plan(name, odd):
    refused(name, odd, lambda: Plan(**({"device": "cpu"} | {name: ODD[odd]})))


@pytest.mark.parametrize("odd", ODD)
def test_every_function_that_takes_a_path(odd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BITNET_RUNS", str(tmp_path / "runs"))
    plan = Plan(device="cpu", runs_dir=tmp_path / "runs")
    for act in (
        bitnet.load, History.load, bitnet.load_corpus, read_table, read_bundle, read_report,
        Grid.load, load_plan, load_results,
        lambda value: bitnet.export(value, tmp_path / "out"),
        lambda value: bitnet.load_corpus("sotu", 300, value),
        lambda value: Grid.load(Path("a.yaml"), value),
        lambda value: claim_report(plan, value),
        lambda value: survey(load_plan(), value),
    ):  # fmt: skip
        refused("", odd, lambda act=act: act(ODD[odd]))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("odd", ODD)
def test_every_function_that_takes_runs_plans_or_texts(odd, corpus, tiny_runs):
    plan, value = Plan(device="cpu"), ODD[odd]
    for act in (
        lambda: bitnet.execute(value), lambda: bitnet.execute(plan, value),
        lambda: bitnet.judge(value), lambda: bitnet.judge([value]),
        lambda: bitnet.final_counts(value), lambda: bitnet.checklist(value),
        lambda: bitnet.load_model(value), lambda: bitnet.load_models([value]),
        lambda: load_results(hidden=value), lambda: load_results(seed=value),
        lambda: baselines(corpus, value), lambda: baselines(corpus, 62, value),
    ):  # fmt: skip
        refused("", odd, act)


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("name", ["prompt", "tokens", "temperature", "top_p", "seed"])
def test_every_parameter_of_what_a_model_writes(name, odd, trained):
    refused(
        name, odd, lambda: trained.generate(**({"prompt": "a", "tokens": 2} | {name: ODD[odd]}))
    )
    if name == "prompt":
        refused("prompts", odd, lambda: prompt_ids(ODD[odd], trained.vocabulary))


@pytest.fixture(scope="module")
def trained(tiny_runs):
    return bitnet.load(tiny_runs["l2-0.0", 0].folder)
