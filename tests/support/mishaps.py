"""Jobs on the small seeded corpus, and workers of them that meet mishaps."""

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

from bitnet import RunConfig, load_corpus
from bitnet.runs.run import run
from bitnet.runtime.backend import choose
from bitnet.sweep.job import Job
from tests.support.corpus import VOCABULARY, synthetic_corpus

ROOT = str(Path(__file__).parents[2])
STEPS = 30


def jobs(folder, *arms):
    found = []
    for arm in arms:
        config = RunConfig(
            arm, hidden=16, layers=1, heads=2, steps=STEPS, probe_positions=62, eval_every=10,
            vocabulary=VOCABULARY,
        )  # fmt: skip
        found.append(Job(config, config.identity("synthetic", "cpu"), folder, threads=1))
    return found


def command(train):
    """What starts a worker that trains by that function of this module."""
    program = (
        f"import sys; sys.path.insert(0, {ROOT!r}); from bitnet.sweep.worker import work; "
        f"from tests.support.mishaps import {train.__name__}; work({train.__name__})"
    )
    return sys.executable, "-c", program


def train(job, report, then=lambda step: None, corpus=None):
    """A job with a checkpoint every 10 updates; a callback comes before a step's own."""

    def progress(config, record):
        evaluated = bool(record.measures)
        report({"event": "progress", "step": record.step, "loss": record.loss,
                "evaluated": evaluated})  # fmt: skip
        then(record.step)

    def log(line):
        report({"event": "log", "line": line})

    cpu, corpus = choose("cpu", "float32"), corpus or synthetic_corpus()
    cadence = {"checkpoint_every": 10, "stage1": job.stage1}
    run(job.config, corpus, job.runs_dir, cpu, [progress], log, **cadence)


def train_together(job, report):
    """Says its device once another job, of the other arm, is at it in the same folder."""
    signal.alarm(120)  # kills a job that is left alone
    ways = ("rb", "wb") if job.config.arm == "l2-0.0" else ("wb", "rb")
    for name, way in zip(("there", "back"), ways, strict=True):
        with contextlib.suppress(FileExistsError):
            os.mkfifo(job.runs_dir / name)
        (job.runs_dir / name).open(way).close()  # waits for the other's
    signal.alarm(0)
    report({"event": "log", "line": job.device})


def train_held(job, report):
    """Of the text that the job names; at step 16 nothing happens while its folder has `hold`."""

    def then(step):
        while step == 16 and (job.runs_dir / "hold").exists():
            time.sleep(0.01)

    train(job, report, then, load_corpus(job.config.corpus, job.config.vocabulary))


def train_with_an_error(job, report):
    """Of the text that the job names; after step 16 `adamw-0.0` meets an error."""

    def then(step):
        if step == 16 and job.config.arm == "adamw-0.0":
            raise LookupError("nobody foresaw this\nin two lines")

    train(job, report, then, load_corpus(job.config.corpus, job.config.vocabulary))


def train_among_mishaps(job, report):
    """After step 20 `l2-0.0` is killed once and `l2-0.05` always; `no-decay` meets an error."""
    marker = job.runs_dir / "killed"

    def then(step):
        if job.config.arm == "no-decay":
            raise LookupError("nobody foresaw this\nin two lines")
        if step == 20 and (
            job.config.arm == "l2-0.05" or (job.config.arm == "l2-0.0" and not marker.exists())
        ):
            if job.config.arm == "l2-0.0":
                marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    train(job, report, then)


def train_until_stopped(job, report):
    """After step 20 nothing happens any more, until an interrupt does."""

    def then(step):
        while step == 20:
            time.sleep(0.01)

    train(job, report, then)


def train_in_spite(job, report):
    """An interrupt is reported, and nothing else comes of it; after step 20 nothing happens."""
    interrupts = []
    # Reported by the loop below: a handler may come while an event is being written.
    signal.signal(signal.SIGINT, lambda *_: interrupts.append("interrupted"))

    def then(step):
        while step == 20:
            if interrupts:
                report({"event": "log", "line": interrupts.pop()})
            time.sleep(0.01)

    train(job, report, then)


def train_nothing(job, report):
    """A worker that says nothing of the kind, but leaves no run, and prints."""
    sys.stdout.write("printed\n")
    os.write(1, b"written\n")


def same(job, whole):
    """Whether a job's run has left the same files as that of another runs folder, bit for bit."""
    return all(
        (job.runs_dir / job.identity / name).read_bytes()
        == (whole / job.identity / name).read_bytes()
        for name in ("trace.csv", "measures.csv", "model.safetensors")
    )
