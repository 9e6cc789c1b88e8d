"""A Stage 1 that several runs share: trained once, and each run as if it had trained its own."""

import json
from dataclasses import replace

import pytest
import torch

from bitnet import Plan, RunConfig
from bitnet.runs.run import Stop
from bitnet.runs.stage1 import SharedStage1, stage1_name
from bitnet.sweep.here import Here
from bitnet.sweep.job import Outcome
from bitnet.sweep.pool import Pool
from bitnet.sweep.sharing import begins, share
from bitnet.sweep.study import prepare
from bitnet.sweep.table import SweepTable
from tests.support.mishaps import STEPS, command, jobs, same, train, train_among_mishaps

NAME = "stage-1"


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The same runs, each with a Stage 1 of its own."""
    folder = tmp_path_factory.mktemp("alone")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for job in jobs(folder, "l2-0.0", "l2-0.05"):
        train(job, lambda event: None)
    torch.set_num_threads(threads)
    return folder


def shared_jobs(folder, *arms):
    """Jobs that share their Stage 1, all but the first waiting for it."""
    found = jobs(folder, *arms)
    return [replace(job, stage1=NAME, waits=at > 0) for at, job in enumerate(found)]


def pool(function):
    found = Pool(4, workers=2, device="cpu", precision="float32")
    found.command = command(function)
    return found


LONG = "l2-0.05+peak_lr=0.003+beta1=0.8123+beta2=0.9512+label_smoothing=0.1234+clip_norm=0.987"


@pytest.mark.parametrize("arm", ["l2-0.0", "l2-0.05", "l2-0.1", "l2-0.0+peak_lr=0.003", LONG])
def test_runs_that_differ_in_stage_2_only_have_one_stage_1(arm):
    """Whatever the arms are called: a name has at most 100 letters."""

    def name(arm, **named):
        config = RunConfig(arm, **{"hidden": 64, "seed": 3} | named)
        return stage1_name(config, "text", {"device": "cpu", "threads": 1})

    other = {"base": "l2-0.1"}
    for part in arm.split("+")[1:]:
        field, _, value = part.partition("=")
        other[field] = value
    assert name(arm) == name(other)
    assert len({name(arm), name(arm, seed=4), name(arm, order=1), name("adamw-0.0")}) == 4
    config = RunConfig(arm, hidden=64, seed=3)
    assert name(arm) != stage1_name(config, "text", {"device": "cpu", "threads": 2})
    assert name(arm) != stage1_name(config, "other", {"device": "cpu", "threads": 1})


def test_the_others_go_on_from_the_first_and_end_as_if_alone(alone, tmp_path):
    todo, heard, ended = shared_jobs(tmp_path, "l2-0.0", "l2-0.05"), [], []
    pool(train).run(
        todo, lambda job, event: heard.append((job, event)), lambda *pair: ended.append(pair)
    )
    assert [reason for _, reason in ended] == ["", ""]
    assert all(same(job, alone) for job in todo)
    first, second = (job.identity for job in todo)
    heard = [(job.identity, event["step"]) for job, event in heard if "step" in event]
    assert min(step for name, step in heard if name == second) > STEPS // 2
    manifest = json.loads((tmp_path / second / "manifest.json").read_text())
    assert manifest["stage1"] == {"from": first, "steps": STEPS // 2}
    assert [session["from_step"] for session in manifest["sessions"]] == [0, STEPS // 2]
    assert "stage1" not in json.loads((tmp_path / first / "manifest.json").read_text())


def test_where_the_first_dies_the_other_trains_its_own(alone, tmp_path):
    """An error before the switch: there is nothing to take."""
    lead, other = shared_jobs(tmp_path, "no-decay", "l2-0.0")
    ended, lines = {}, []
    pool(train_among_mishaps).run(
        [lead, other],
        lambda job, event: lines.append(event.get("line", "")),
        lambda job, reason: ended.update({job.config.arm: reason}),
    )
    assert ended["no-decay"].startswith("LookupError")
    assert ended["l2-0.0"] == ""
    assert same(other, alone)
    assert not any("goes on from" in line for line in lines)


def test_a_run_that_is_stopped_after_it_took_stage_1_says_so_when_it_is_resumed(alone, tmp_path):
    first, second = shared_jobs(tmp_path, "l2-0.0", "l2-0.05")

    def stop(step):
        if step > STEPS // 2:
            raise Stop

    train(first, lambda event: None)
    with pytest.raises(Stop):
        train(second, lambda event: None, stop)
    SharedStage1(tmp_path, NAME).drop()
    assert not (tmp_path / ".stage1").exists()
    train(second, lambda event: None)
    assert same(second, alone)
    manifest = json.loads((tmp_path / second.identity / "manifest.json").read_text())
    assert manifest["stage1"]["from"] == first.identity


def test_a_damaged_stage_1_is_passed_over(alone, tmp_path):
    first, second = shared_jobs(tmp_path, "l2-0.0", "l2-0.05")
    train(first, lambda event: None)
    (weights,) = SharedStage1(tmp_path, NAME).folder.glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    lines = []
    train(second, lambda event: lines.append(event.get("line", "")))
    assert any("damaged checkpoint passed over" in line for line in lines)
    assert same(second, alone)
    assert SharedStage1(tmp_path, NAME).kept  # anew, by the run that found it damaged


FRESH, HALFWAY, BEYOND = Outcome("missing"), Outcome("interrupted", 10), Outcome("interrupted", 20)
DIVERGED, DONE = Outcome("diverged", 10), Outcome("complete", STEPS)


@pytest.mark.parametrize(
    ("found", "waits"),
    [
        ((FRESH, FRESH), (False, True)),
        ((FRESH, HALFWAY), (True, False)),  # the one that is furthest leads
        ((BEYOND, FRESH), None),  # it is past the switch, and has left nothing to take
        ((HALFWAY, HALFWAY), None),
        ((DIVERGED, FRESH), None),  # nobody trains it any more, and nothing was kept
        ((DONE, FRESH), None),
    ],
)
def test_who_waits_for_whom(tmp_path, found, waits):
    todo = jobs(tmp_path, "l2-0.0", "l2-0.05", "adamw-0.0")
    outcomes = {job.identity: state for job, state in zip(todo, (*found, FRESH), strict=True)}
    result = share(todo, [NAME, NAME, "another"], outcomes)
    if waits is None:
        assert result == todo
        return
    assert [job.stage1 for job in result] == [NAME, NAME, ""]
    assert [job.waits for job in result] == [*waits, False]
    assert [begins(job, outcomes[job.identity]) for job in result] == [
        STEPS // 2 if job.waits else outcomes[job.identity].step for job in result
    ]


def test_a_stage_1_that_is_kept_is_taken_at_once(tmp_path):
    lead, _ = shared_jobs(tmp_path, "l2-0.0", "l2-0.05")
    train(lead, lambda event: None)
    todo = jobs(tmp_path, "l2-0.05")
    (job,) = share(todo, [NAME], {todo[0].identity: FRESH})
    assert (job.stage1, job.waits) == (NAME, False)
    assert begins(job, FRESH) == STEPS // 2


def test_a_job_whose_leader_is_not_among_those_handed_over_does_not_wait(alone, tmp_path):
    _, other = shared_jobs(tmp_path, "l2-0.0", "l2-0.05")
    ended = []
    pool(train).run([other], lambda job, event: None, lambda *pair: ended.append(pair))
    assert [reason for _, reason in ended] == [""]
    assert same(other, alone)


def test_a_stage_1_that_cannot_be_kept_fails_no_run(alone, tmp_path):
    first, _ = shared_jobs(tmp_path, "l2-0.0", "l2-0.05")
    (tmp_path / ".stage1").write_text("in its place")
    lines = []
    train(first, lambda event: lines.append(event.get("line", "")))
    assert any("Stage 1 could not be kept" in line for line in lines)
    assert same(first, alone)


def test_it_is_forgotten_after_a_stop_in_stage_2_too(text, tmp_path):
    """When all are past the switch, nobody is told to share any more."""
    plan = Plan(16, 8, "l2-0.0,l2-0.05", "0", str(text), "cpu", tmp_path, "float32", scale="full")
    runner = prepare(plan)
    place = SharedStage1(tmp_path, runner.jobs[0].stage1)
    place.folder.mkdir(parents=True)
    later = prepare(plan)
    later.jobs = [replace(job, stage1="", waits=False) for job in later.jobs]
    later.engine = Here(1, "cpu", "float32")
    later.run()
    assert not place.folder.exists()


def test_a_study_trains_it_once_and_then_forgets_it(text, tmp_path):
    arms = "l2-0.0,l2-0.05,adamw-0.0"
    plan = Plan(16, 8, arms, "0", str(text), "cpu", tmp_path, "float32", scale="full")
    runner = prepare(plan)
    assert [job.waits for job in runner.jobs] == [False, True, False]
    assert [job.config.arm for job in runner.pending] == ["l2-0.0", "adamw-0.0", "l2-0.05"]
    (line,) = runner.sharing()
    assert line.startswith("Stage 1 is the same, and trained once: l2-0.0, ")
    engine = Here(1, "cpu", "float32")
    runner.engine = engine
    outcomes = runner.run()
    assert [outcome.status for _, outcome in outcomes] == ["complete"] * 3
    assert not (tmp_path / ".stage1").exists()
    assert prepare(plan).sharing() == []


def test_the_time_left_counts_a_shared_stage_1_once(tmp_path):
    todo = [*shared_jobs(tmp_path, "l2-0.0", "l2-0.05"), *jobs(tmp_path, "adamw-0.0")]
    now = [0.0]
    table = SweepTable(todo, 3, 2, clock=lambda: now[0])
    for moment, step in ((0.0, 2), (8.0, 10)):  # a step a second, both that do not wait
        now[0] = moment
        for job in (todo[0], todo[2]):
            table.rows[job.identity].state = "training"
            table.listen(job, {"event": "progress", "step": step, "loss": 1.0, "evaluated": False})
    # 20 and 20 steps are left of those, 15 of the one that waits; two cores.
    assert table.seconds_left() == pytest.approx(55 / 2)
