"""Trackers: what a run is told to is in the log once, and the run itself is what it is without."""

import json
import re
import sys
from pathlib import Path

import pytest

from bitnet import MEASURES, ParameterError, Plan
from bitnet.__main__ import main
from bitnet.evaluation.weights import HEALTH
from bitnet.runs.run import run
from bitnet.runs.tracker import TRACKERS, logs
from bitnet.sweep.job import Job
from bitnet.sweep.study import prepare
from tests.support.equality import same
from tests.support.runs import CPU, TRAINED
from tests.support.text import write_lines

PAGE = Path(__file__).parents[2] / "docs" / "tracking.md"
EVERY_RECORD = [1, *range(10, 61, 10)]


def train(corpus, folder, tracker="tensorboard", until=None, **named):
    """The run in that folder; stopped before the checkpoint of step `until`, if it is given."""

    def interrupt(config, record):
        if record.step == until:
            raise KeyboardInterrupt

    callbacks = [interrupt] if until else []
    return run(TRAINED, corpus, folder, CPU, callbacks, lambda _: None, tracker=tracker, **named)


def events(folder):
    """What TensorBoard shows of the one log in a runs folder: values by step, by tag."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (log,) = logs("tensorboard", folder).iterdir()
    found = EventAccumulator(str(log), size_guidance={"scalars": 0}).Reload()
    tags = found.Tags()["scalars"]
    return {tag: [(event.step, event.value) for event in found.Scalars(tag)] for tag in tags}


@pytest.fixture(scope="module")
def tracked(corpus, tmp_path_factory):
    return train(corpus, tmp_path_factory.mktemp("tracked"))


@pytest.fixture(scope="module")
def untracked(corpus, shared_runs):
    return train(corpus, shared_runs, tracker="none")


def test_the_log_has_every_record_and_every_evaluation(tracked):
    found, measures = events(tracked.folder.parent), tracked.measures
    expected = {f"measures/{name}" for name in MEASURES} | {f"weights/{name}" for name in HEALTH}
    assert set(found) == expected | {"train/loss", "train/lr", "train/wd"}
    assert [step for step, _ in found["train/loss"]] == sorted({*EVERY_RECORD, *measures.step})
    for name in ("val_loss", "unique_tokens"):
        tag = f"measures/{name}"
        assert [step for step, _ in found[tag]] == measures.step.tolist()
        values = [value for _, value in found[tag]]
        assert values == pytest.approx(measures[name].tolist(), rel=1e-6)  # of float32


def test_the_run_is_what_it_is_without(tracked, untracked):
    def files(history):
        kept = {p.name: p.read_bytes() for p in history.folder.iterdir()}
        manifest = json.loads(kept.pop("manifest.json"))
        times = ("started", "ended", "sessions", "sha256")
        return kept, {name: value for name, value in manifest.items() if name not in times}

    assert same(tracked, untracked)
    assert files(tracked) == files(untracked)
    assert not logs("tensorboard", untracked.folder.parent).exists()


def test_a_run_that_resumes_goes_on_in_its_log_without_a_step_twice(tracked, corpus, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(corpus, tmp_path, until=40, checkpoint_every=10)  # step 40 is logged, 30 is saved
    assert events(tmp_path)["train/loss"][-1][0] == 40
    train(corpus, tmp_path, checkpoint_every=10)
    assert events(tmp_path) == events(tracked.folder.parent)


def test_a_log_that_begins_later_has_the_evaluations_before(tracked, corpus, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(corpus, tmp_path, tracker="none", until=40, checkpoint_every=10)
    train(corpus, tmp_path)
    found, whole = events(tmp_path), events(tracked.folder.parent)
    assert found.keys() == whole.keys()
    for tag in ("train/loss", "measures/val_loss"):  # there is an evaluation at every record
        assert dict(found[tag]) == pytest.approx(dict(whole[tag]), rel=1e-6)
        assert len(found[tag]) == len(whole[tag])


def test_one_that_is_trained_again_begins_its_log_again(tracked, corpus, tmp_path):
    history = train(corpus, tmp_path)
    (history.folder / "measures.csv").write_text("damaged")
    assert same(train(corpus, tmp_path), tracked)
    assert events(tmp_path) == events(tracked.folder.parent)


@pytest.mark.parametrize(
    ("tracker", "line"),
    [
        ("wandb", "tracker = 'wandb': must be one of none, tensorboard"),
        (
            "tensorboard",
            "tracker = 'tensorboard': needs the package tensorboard; "
            "install it with: pip install 'bitnet-collapse[tracking]'",
        ),
    ],
)
def test_a_tracker_that_is_not_there_is_one_line_before_anything_begins(
    tmp_path, monkeypatch, capsys, tracker, line
):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(ParameterError, match=re.escape(line)):
        Plan(tracker=tracker)
    where = ("--tracker", tracker, "--runs-dir", str(tmp_path / "runs"))
    for command in (["verify"], ["run"], ["sweep", "params/miniature.yaml"]):
        assert main([*command, *where]) == 1
        assert capsys.readouterr().err == f"ParameterError: {line}\n"
    assert not (tmp_path / "runs").exists()


def test_a_run_in_the_terminal_is_logged(tmp_path, capsys):
    lines = write_lines(tmp_path / "lines.txt")
    sizes = ("--hidden", "8", "--steps", "16", "--vocabulary", "300", "--device", "cpu")
    where = ("--corpus", str(lines), "--runs-dir", str(tmp_path), "--arm", "adamw-0.0")
    assert main(["run", *sizes, *where, "--probe-positions", "62", "--tracker", "tensorboard"]) == 0
    assert f"Logged by tensorboard in {tmp_path}" in capsys.readouterr().out.replace("\n", "")
    assert [step for step, _ in events(tmp_path)["train/loss"]][-1] == 16


def test_the_jobs_of_a_study_are_told_its_tracker(tmp_path):
    text = str(write_lines(tmp_path / "lines.txt"))
    sizes = {"hidden": 8, "steps": 16, "vocabulary": 300, "device": "cpu"}
    plan = Plan(**sizes, corpus=text, runs_dir=tmp_path / "runs", tracker="tensorboard")
    jobs = prepare(plan).jobs
    assert {Job.from_json(job.to_json()).tracker for job in jobs} == {"tensorboard"}
    other = Plan(**sizes, corpus=text, runs_dir=tmp_path / "runs")
    assert (plan.name, plan.runs) == (other.name, other.runs)
    assert [job.identity for job in jobs] == [job.identity for job in prepare(other).jobs]


def test_the_tracker_of_the_page_works_and_resumes(corpus, tmp_path, monkeypatch):
    monkeypatch.setenv("BITNET_RUNS", str(tmp_path / "page"))
    monkeypatch.setitem(TRACKERS, "lines", None)  # to be forgotten afterwards
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    exec(code, {})
    assert {step for step, _, _ in values(tmp_path / "page")} >= {1, 10, 16}
    with pytest.raises(KeyboardInterrupt):
        train(corpus, tmp_path / "cut", tracker="lines", until=40, checkpoint_every=10)
    for folder in ("cut", "whole"):
        train(corpus, tmp_path / folder, tracker="lines", checkpoint_every=10)
    assert values(tmp_path / "cut") == values(tmp_path / "whole")


def values(folder):
    """The lines that a tracker of the page has left."""
    (path,) = logs("lines", folder).glob("*/values.txt")
    lines = (line.split() for line in path.read_text().splitlines())
    return [(int(step), name, value) for step, name, value in lines]
