"""A worker process: events in their order, and a lifeline that stops it when it is closed."""

import json
import signal
import subprocess
import sys

import pytest

from bitnet import History
from bitnet.sweep.job import STOPPED
from tests.support.mishaps import STEPS, command, jobs, same, train, train_until_stopped

PIPES = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}


def start(job, train):
    worker = subprocess.Popen(command(train), **PIPES)
    worker.stdin.write(job.to_json() + "\n")
    worker.stdin.flush()
    return worker


def events(worker):
    for line in worker.stdout:
        yield json.loads(line)


def test_a_job_is_reported_from_its_start_to_its_end(tmp_path):
    (job,) = jobs(tmp_path, "l2-0.0")
    worker = start(job, train)
    found = list(events(worker))
    assert found[0] == {"event": "started"}
    progress = [event for event in found if event["event"] == "progress"]
    steps = [event["step"] for event in progress]
    assert steps == sorted(steps)
    assert {1, 10, 20, STEPS} <= set(steps)
    assert all(event["loss"] > 0 for event in progress)
    assert found[-1] == {"event": "ended", "reason": ""}
    assert worker.wait() == 0  # with its standard input still open
    worker.stdin.close()
    assert job.found().status == "complete"


def close(worker):
    worker.stdin.close()


def terminate(worker):
    worker.send_signal(signal.SIGTERM)


def both(worker):
    """A scheduler ends the whole group: the second interrupt must not hit the last words."""
    terminate(worker)
    close(worker)


@pytest.mark.parametrize("stop", [close, terminate, both])
def test_a_worker_whose_lifeline_ends_says_that_it_was_stopped(tmp_path, stop):
    (job,) = jobs(tmp_path / "runs", "l2-0.0")
    worker = start(job, train_until_stopped)
    for event in events(worker):
        if event.get("step") == 20:
            stop(worker)
    assert event == {"event": "ended", "reason": STOPPED}
    assert worker.wait() == 0
    assert History.load(job.runs_dir / job.identity).status == STOPPED
    (other,) = jobs(tmp_path / "whole", "l2-0.0")
    for one in (job, other):
        train(one, lambda event: None)
    assert same(job, tmp_path / "whole")


COMMAND = [sys.executable, "-m", "bitnet", "run", "--job"]


def test_without_a_job_the_command_ends_as_stopped():
    done = subprocess.run(COMMAND, input="", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "")
    assert json.loads(done.stdout) == {"event": "ended", "reason": STOPPED}


def test_what_is_no_job_is_refused_in_one_line():
    worker = subprocess.Popen(COMMAND, stderr=subprocess.PIPE, **PIPES)
    worker.stdin.write("{}\n")
    worker.stdin.flush()
    (event,) = events(worker)
    assert event["event"] == "ended"
    assert event["reason"].startswith("ParameterError: job = '{}\\n': must be a job as a sweep")
    assert worker.communicate()[1] == ""
    assert worker.returncode == 1
