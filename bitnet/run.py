"""One run in its folder: read back if finished, gone on with if interrupted, else trained; never by two processes at once."""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from filelock import FileLock, Timeout
from safetensors.torch import load

from bitnet.backend import Backend, start_threads
from bitnet.checkpoint import Cadence, Checkpoint, clear, latest, save, write_tensors
from bitnet.checks import ParameterError
from bitnet.config import RunConfig
from bitnet.data import Corpus
from bitnet.diversity import Probe
from bitnet.history import History, HistoryError, HistoryWriter, NewerFormatError, UnreadableError, read_manifest
from bitnet.train import Diverged, Record, Trainer
from bitnet.transformer import BitNetModel

__all__ = ["Stop", "load_model", "run"]


class Stop(KeyboardInterrupt):
    """Raised by a callback to stop a run where it stands, between two updates; the same call goes on from there."""


Callback = Callable[[RunConfig, Record], None]
Say = Callable[[str], None]

MODEL = "model.safetensors"
# How torch says that memory is out where it does not raise torch.OutOfMemoryError: the host's, and that of a CUDA context,
# a graph or a library's workspace.
_OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "ALLOC_FAILED")


def run(
    config: RunConfig,
    corpus: Corpus,
    runs_dir: str | Path,
    backend: Backend,
    callbacks: Sequence[Callback] = (),
    say: Say = print,
    checkpoint_every: int = 0,
) -> History:
    """The history of this run, trained as far as it is not yet.

    A run that diverges or runs out of memory is recorded as such and returned, so that others can go on. Errors:
    `HistoryError` where the folder cannot be written or was made by a newer version. An interrupt leaves a run that the
    same call goes on with. `checkpoint_every` is in updates; 0 lets writing take 2 % of the time.
    """
    start_threads()
    identity = config.identity(corpus.fingerprint, backend.device.type, backend.precision, backend.strict)
    folder = Path(runs_dir) / identity
    name = f"{config.arm} (hidden {config.hidden}, seed {config.seed})"
    with _sole_owner(folder, name, say):
        if found := _finished(folder, say):
            say(f"{name}: {found.status}, read back from {folder}")
            return found
        try:
            _train(folder, identity, config, corpus, backend, callbacks, Cadence(checkpoint_every), name, say)
        except KeyboardInterrupt:
            say(f"{name}: stopped. The same command goes on from its last checkpoint.")
            raise
        except OSError as error:
            remedy = "make room or choose another runs_dir; earlier checkpoints and finished runs are as they were"
            raise HistoryError(f"{folder}: cannot be written ({error}); {remedy}") from error
        except Diverged as error:
            say(f"{name}: diverged, {error}. Its state is kept in {folder}.")
        except (MemoryError, RuntimeError) as error:
            if not _out_of_memory(error):
                raise
            say(f"{name}: out of memory. A smaller hidden or batch needs less; the other runs go on.")
        return History.load(folder)


def load_model(history: History) -> BitNetModel:
    """The trained model of a finished run. Errors: `HistoryError` where its weights are missing or damaged."""
    assert history.folder is not None
    path = history.folder / MODEL
    try:
        content = path.read_bytes()
    except OSError as error:
        raise HistoryError(f"{path}: no weights here ({error}); delete the run's folder to train it again") from error
    if hashlib.sha256(content).hexdigest() != history.manifest.get("model_sha256"):
        raise HistoryError(f"{path}: damaged, its checksum does not match; delete the run's folder to train it again")
    tensors = load(content)
    model = BitNetModel(history.config.model(len(tensors["lm_head.weight"])))
    model.load_state_dict(tensors)
    return model


@contextmanager
def _sole_owner(folder: Path, name: str, say: Say) -> Iterator[None]:
    """Hold the lock of this run, waiting for another process that has it; a lock dies with its process."""
    locks = folder.parent / ".locks"
    lock = FileLock(locks / f"{folder.name}.lock")
    try:
        locks.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            say(f"{name}: another process is training it; waiting for its result ...")
            lock.acquire()
    except OSError as error:
        raise HistoryError(f"{folder.parent}: cannot be written ({error}); choose another runs_dir") from error
    try:
        yield
    finally:
        lock.release()


def _finished(folder: Path, say: Say) -> History | None:
    """The history if there is nothing left to train; a damaged folder without a checkpoint is moved aside, and said so."""
    if not (folder / "manifest.json").exists():
        return None
    try:
        history = History.load(folder)
    except (NewerFormatError, UnreadableError):
        raise
    except (HistoryError, ParameterError) as error:
        if any(folder.glob("checkpoint-*.json")):
            say(f"{error}; going on from its checkpoint")
        else:
            aside = next(p for i in range(1, 10**6) if not (p := folder.with_name(f"{folder.name}.damaged-{i}")).exists())
            try:
                folder.rename(aside)
            except OSError as problem:
                raise HistoryError(f"{error}; it could not be moved to {aside.name} ({problem})") from problem
            say(f"{error}; moved to {aside.name}, training again")
        return None
    return history if history.complete or history.status == "diverged" else None


def _train(
    folder: Path,
    identity: str,
    config: RunConfig,
    corpus: Corpus,
    backend: Backend,
    callbacks: Sequence[Callback],
    cadence: Cadence,
    name: str,
    say: Say,
) -> None:
    """Train from the newest checkpoint, or the start, to the end."""
    checkpoint = latest(folder, say)
    facts = {
        "identity": identity,
        "corpus": corpus.facts(),
        "device": backend.facts(),
        "epochs": config.steps * config.batch_size * config.sequence_length / len(corpus.train),
    }
    probe = Probe.from_corpus(corpus, config.probe_positions, config.sequence_length)
    before = (checkpoint.rows, checkpoint.step, read_manifest(folder)) if checkpoint else ()
    with HistoryWriter(folder, config, facts, probe.references, *before) as writer:
        trainer = Trainer(config, corpus, backend, probe)
        if checkpoint:
            trainer.restore(checkpoint.step, checkpoint.tensors)
            cadence.last_step = checkpoint.step
            say(f"{name}: goes on from step {checkpoint.step}")
        try:
            for record in trainer:
                writer(record)
                for callback in callbacks:
                    callback(config, record)
                if cadence.due(record.step) and record.step < config.steps:
                    start = time.monotonic()
                    save(folder, Checkpoint(record.step, trainer.state(), writer.rows))
                    cadence.note(record.step, time.monotonic() - start)
        except (Diverged, Stop):  # both fall between two updates, where the state is whole
            save(folder, Checkpoint(trainer.done, trainer.state(), writer.rows))
            raise
        writer.manifest["parameters"] = sum(p.numel() for p in trainer.model.parameters())
        writer.manifest["model_sha256"] = write_tensors(folder / MODEL, trainer.weights())
    clear(folder)


def _out_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(text in str(error) for text in _OUT_OF_MEMORY)
