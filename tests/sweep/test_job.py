"""A job: handed over whole, and judged by what its run says."""

from dataclasses import replace

import pytest

from bitnet import ParameterError, Plan, RunConfig
from bitnet.records import Diverged
from bitnet.sweep.job import STOPPED, Job
from tests.support.runs import record, writer_in

CONFIG = RunConfig("l2-0.0", hidden=16, steps=8)


def test_a_job_is_handed_over_whole(tmp_path):
    config = RunConfig(
        {"base": "adamw-0.0", "peak_lr": 3e-3}, hidden=32, steps=80, seed=3, corpus="text.txt",
        layers=2, heads=2, kv_heads=1, batch_size=2, sequence_length=16, eval_every=7,
        probe_positions=62, vocabulary=4096, order=5,
    )  # fmt: skip
    for notebook in (None, tmp_path / "a.ipynb"):
        job = Job(config, "name", tmp_path / "runs", "cuda:1", "bfloat16", True, 3, notebook)
        line = job.to_json()
        assert "\n" not in line
        assert Job.from_json(line) == job


@pytest.mark.parametrize("line", ["", "{", "[]", "3", "{}", '{"config": {"arm": "l2-0.0"}}'])
def test_what_is_no_job_is_refused(line):
    with pytest.raises(ParameterError, match=r"job = .*must be a job"):
        Job.from_json(line)


def test_a_job_with_a_wrong_value_is_refused(tmp_path):
    line = Job(CONFIG, "name", tmp_path).to_json().replace("l2-0.0", "l2-0.7")
    with pytest.raises(ParameterError, match=r"arm = 'l2-0\.7'"):
        Job.from_json(line)


@pytest.mark.parametrize(
    ("error", "found", "ended"),
    [
        (Diverged("because"), "diverged", "diverged"),
        (MemoryError("because"), "failed", "failed"),
        (KeyboardInterrupt("because"), "interrupted", "failed"),
    ],
)
def test_how_a_run_ended_is_read_from_its_folder(tmp_path, error, found, ended):
    with pytest.raises(type(error)), writer_in(tmp_path / "run", config=CONFIG):
        raise error
    job = Job(CONFIG, "run", tmp_path)
    assert job.found().status == found
    assert "because" in job.found().reason
    assert job.ended("").status == ended
    assert job.ended(STOPPED).status == STOPPED


def test_a_folder_that_holds_another_run_is_not_taken_for_it(tmp_path):
    with writer_in(tmp_path / "run", config=CONFIG) as writer:
        for step in (1, 8):
            writer(record(step))
    assert Job(CONFIG, "run", tmp_path).found().status == "complete"
    assert (
        Job(replace(CONFIG, corpus="elsewhere.txt"), "run", tmp_path).found().status == "complete"
    )
    other = Job(replace(CONFIG, arm="adamw-0.0"), "run", tmp_path).found()
    assert (other.status, other.step) == ("interrupted", 0)
    assert other.reason == f"its folder holds {CONFIG.label()}"


def test_a_run_that_would_not_be_resumed_bit_for_bit_says_so(tmp_path):
    facts = {"device": {"kind": "cpu", "threads": 2}}
    # Killed before it could leave.
    writer_in(tmp_path / "run", facts, config=CONFIG).__enter__()
    assert Job(CONFIG, "run", tmp_path, threads=2).found().reason == ""
    assert (
        "trained with 2 thread(s) so far: not bit for bit with 1"
        in Job(CONFIG, "run", tmp_path).found().reason
    )


def test_a_notebook_is_told_all_that_names_the_run(tmp_path):
    config = RunConfig("l2-0.0", hidden=16, steps=8, seed=2, eval_every=4, probe_positions=62)
    job = Job(config, "name", tmp_path, notebook=tmp_path / "a.ipynb")
    assert job.parameters() == {
        "scale": "full",
        "hidden": 16,
        "steps": 8,
        "vocabulary": 50257,
        "batch_size": 4,
        "sequence_length": 32,
        "arms": "l2-0.0",
        "seeds": "2",
        "order": 0,
        "corpus": "wikipedia-sample",
        "eval_every": 4,
        "probe_positions": 62,
        "device": "cpu",
        "precision": "float32",
        "strict": False,
        "runs_dir": str(tmp_path),
        "report_dir": str(tmp_path / "reports" / "a" / "name"),
    }


@pytest.mark.parametrize(
    ("change", "scale"),
    [
        ({}, "full"),
        ({"vocabulary": 4096, "batch_size": 8, "order": 3}, "miniature"),
        ({"vocabulary": 300}, "full"),  # of no scale, and every size is told
        ({"batch_size": 16, "sequence_length": 64}, "full"),
    ],
    ids=str,
)
def test_a_notebooks_plan_of_what_it_is_told_is_the_run(tmp_path, change, scale):
    config = replace(CONFIG, **change)
    told = Job(config, "name", tmp_path, notebook=tmp_path / "a.ipynb").parameters()
    assert told.pop("scale") == scale
    del told["report_dir"]
    assert Plan(scale=scale, **told).runs == (config,)
