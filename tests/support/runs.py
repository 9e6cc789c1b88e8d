"""Small runs: written by hand into a folder, and trained here or in another process."""

import hashlib
import json
import re
import sys
from dataclasses import replace

from bitnet import History, RunConfig
from bitnet.evaluation.weights import HEALTH
from bitnet.records import Record, Snapshot
from bitnet.runs.history import seal
from bitnet.runs.run import run
from bitnet.runs.writer import HistoryWriter
from bitnet.runtime.backend import choose
from bitnet.tokenizer import gpt2
from tests.support.corpus import VOCABULARY, synthetic_corpus

CPU = choose("cpu", "float32")

# A run that is written without training.
WRITTEN = RunConfig("l2-0.0", hidden=32, steps=8)
REFERENCES = {"ln_vocabulary": 10.8, "unigram_loss": 7.7, "unique_tokens_ceiling": 4123.0,
              "unique_predictions_ceiling": 20}  # fmt: skip
FOUND = {
    "unique_predictions": 3, "unique_tokens": 60, "effective_tokens": 20.5, "top1_share": 0.2,
    "context_information": 1.0, "predictive_entropy": 5.0, "val_loss": 6.5, "seq_rep_4": 0.1,
    "distinct_1": 0.5, "distinct_2": 0.8,
}  # fmt: skip
WEIGHTS = dict.fromkeys(HEALTH, 0.25)
SAID = Snapshot([[262, 0.2, 0.05]], [[1, 59], [1000, 1]], [[[262, 0.5]]], [[262, 1, 2]])

# A run that is trained: a second, an evaluation every ten updates.
TRAINED = RunConfig(
    "l2-0.05", hidden=16, layers=1, heads=2, steps=60, probe_positions=62, eval_every=10,
    vocabulary=VOCABULARY,
)  # fmt: skip


def record(step, **changed):
    """A record with an evaluation, some of its measures changed."""
    return Record(step, 7.0, 1e-3, 0.1, FOUND | changed, WEIGHTS, SAID)


def writer_in(folder, facts=None, *before, config=WRITTEN, words=None):
    """A writer of `WRITTEN`, or of another run; of `facts` only what differs from the usual."""
    usual = facts_of(config, folder)
    for name, value in (facts or {}).items():
        usual[name] = usual[name] | value if isinstance(value, dict) else value
    return HistoryWriter(folder, config, usual, REFERENCES, words or gpt2(), *before)


def facts_of(config, folder):
    """What a manifest says of run, text and device; the folder may be named like the run."""
    named = re.fullmatch(rf"{re.escape(config.name)}-[0-9a-f]{{10}}", folder.name)
    return {
        "identity": folder.name if named else config.identity("f" * 64, "cpu"),
        "corpus": {"name": config.corpus, "fingerprint": "f" * 64, "tokens": 12345},
        "device": CPU.facts(),
    }


def reseal(folder, **changed):
    """Change entries of a run's manifest as a stranger could: every checksum is right."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    for name in manifest["files"]:
        manifest["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    manifest |= changed
    path.write_text(json.dumps(manifest | {"sha256": seal(manifest)}))


def write(folder, steps):
    """The history of a run that was evaluated at these steps."""
    with writer_in(folder) as writer:
        for step in steps:
            writer(record(step))
    return History.load(folder)


def train_elsewhere(connection, folder, pause_at=0):
    """Train `TRAINED` in another process: steps and lines are sent, a pause waits for a word."""

    def callback(config, record):
        connection.send(record.step)
        if record.step == pause_at:
            connection.recv()

    connection.send("ready")
    run(TRAINED, synthetic_corpus(), folder, CPU, [callback], connection.send, checkpoint_every=10)


def train_and_tell_modules(connection, folder):
    """Train a run with a checkpoint, and send the names of all modules that are loaded."""
    config = replace(TRAINED, steps=24)
    run(config, synthetic_corpus(), folder, CPU, log=lambda line: None, checkpoint_every=10)
    connection.send(sorted(sys.modules))


SHORT = replace(TRAINED, steps=20)


def train(folder, corpus, callbacks=(), **named):
    """Train `SHORT` with frequent checkpoints; its history, and the lines that were logged."""
    lines = []
    found = run(SHORT, corpus, folder, CPU, callbacks, lines.append, checkpoint_every=6, **named)
    return found, lines


def stop(config, record):
    """A callback that interrupts `SHORT` at its last update."""
    if record.step == SHORT.steps:
        raise KeyboardInterrupt
