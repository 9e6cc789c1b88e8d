"""One run in its folder: loaded if finished, resumed if interrupted, else trained."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from bitnet.checks import ParameterError, first_line
from bitnet.config import RunConfig
from bitnet.data import Corpus
from bitnet.evaluation.evaluate import Evaluation
from bitnet.files import check_folder
from bitnet.records import Diverged, Record
from bitnet.runs.checkpoint import (
    Cadence,
    Checkpoint,
    clear,
    clear_partial,
    latest,
    save,
    write_tensors,
)
from bitnet.runs.found import finished, mended
from bitnet.runs.history import History, HistoryError, read_manifest
from bitnet.runs.stage1 import SharedStage1
from bitnet.runs.state import check_state
from bitnet.runs.tracker import NO_TRACKER, check_tracker, tracked
from bitnet.runs.weights import MODEL
from bitnet.runs.writer import HistoryWriter
from bitnet.runtime.backend import Backend
from bitnet.runtime.cpu import start_threads
from bitnet.schedule import stage_boundary
from bitnet.terminal import escaped, say
from bitnet.train import Trainer

__all__ = ["Callback", "Log", "Stop", "other_threads", "run"]

Callback = Callable[[RunConfig, Record], None]
Log = Callable[[str], None]

# How torch says that memory is out where it does not raise torch.OutOfMemoryError: the host's, and
# that of a CUDA context, a graph or a library's workspace.
_OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "ALLOC_FAILED")


class Stop(KeyboardInterrupt):
    """Raised by a callback to stop a run between two updates; the same call resumes it there."""


def run(
    config: RunConfig,
    corpus: Corpus,
    runs_dir: str | Path,
    backend: Backend,
    callbacks: Sequence[Callback] = (),
    log: Log = say,
    checkpoint_every: int = 0,
    stage1: str = "",
    tracker: str = NO_TRACKER,
) -> History:
    """The history of this run, trained as far as it is not yet.

    A run that diverges or runs out of memory is recorded as such and returned, so that others can
    be trained. An interrupt leaves a run that the same call resumes. `checkpoint_every` is in
    updates; 0 lets writing take 2 % of the time. `stage1` names a `SharedStage1`: a run that has
    not begun takes it, and one that has trained its own keeps it there for others. `tracker` is a
    name in `TRACKERS`: the run is logged there too.

    Raises: `HistoryError` where the folder cannot be written or was made by a newer version,
    `ParameterError` for a corpus of another vocabulary and a tracker that cannot be used.
    """
    check_tracker(tracker)
    log = escaped(log)
    if corpus.vocab_size != config.vocabulary:
        allowed = f"must be that of the corpus, {corpus.vocab_size}"
        raise ParameterError("vocabulary", config.vocabulary, allowed)
    start_threads()
    identity = config.identity(
        corpus.fingerprint, backend.device.type, backend.precision, backend.strict
    )
    folder, name = Path(runs_dir) / identity, config.label()
    with suppress(HistoryError, ParameterError):  # which are dealt with once the folder is ours
        if found := finished(folder, config, log):  # of a read-only disk too
            return found
    with _sole_owner(folder, name, log):
        if found := mended(folder, config, log):
            return found
        shared = SharedStage1(Path(runs_dir), stage1) if stage1 else None
        training = _Training(config, corpus, backend, folder, callbacks, log, shared, tracker)
        try:
            training.run(Cadence(checkpoint_every))
        except KeyboardInterrupt:
            log(f"{name}: stopped. The same command resumes it from its last checkpoint.")
            raise
        except OSError as error:
            remedy = "make room or choose another runs_dir; what was finished is as it was"
            raise HistoryError(
                f"{folder}: cannot be written ({first_line(error)}); {remedy}"
            ) from error
        except Diverged as error:
            log(f"{name}: diverged, {error}. Its state is kept in {folder}.")
        except (MemoryError, RuntimeError) as error:
            if not _out_of_memory(error):
                raise
            log(f"{name}: out of memory. A smaller hidden size or batch needs less.")
        return History.load(folder)


@contextmanager
def _sole_owner(folder: Path, name: str, log: Log) -> Iterator[None]:
    """Hold the lock of this run, waiting for another process; a lock dies with its process."""
    locks = folder.parent / ".locks"
    lock = FileLock(locks / f"{folder.name}.lock")
    try:
        for ours in (locks, folder):
            check_folder(ours)
        locks.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            log(f"{name}: another process is training it; waiting for its result ...")
            lock.acquire()
    except OSError as error:
        problem = f"cannot be written ({first_line(error)}); choose another runs_dir"
        raise HistoryError(f"{folder.parent}: {problem}") from error
    try:
        yield
    finally:
        lock.release()


class _Training:
    """The training of a run in its folder, from the newest checkpoint or the start to the end."""

    def __init__(
        self,
        config: RunConfig,
        corpus: Corpus,
        backend: Backend,
        folder: Path,
        callbacks: Sequence[Callback],
        log: Log,
        shared: SharedStage1 | None = None,
        tracker: str = NO_TRACKER,
    ):
        self.config, self.corpus, self.backend = config, corpus, backend
        self.folder, self.callbacks, self.log = folder, callbacks, log
        self.shared, self.tracker = shared, tracker

    def run(self, cadence: Cadence) -> None:
        config, folder = self.config, self.folder
        checkpoint, earlier = self._begun()
        evaluation = Evaluation(config, self.corpus)
        before = (checkpoint.rows, checkpoint.step, earlier) if checkpoint else ()
        logged = (checkpoint.step, checkpoint.rows) if checkpoint else ()
        references = evaluation.probe.references
        facts, vocabulary = self._facts(), self.corpus.vocabulary
        if "stage1" in earlier:
            facts["stage1"] = earlier["stage1"]
        with (
            HistoryWriter(folder, config, facts, references, vocabulary, *before) as writer,
            tracked(self.tracker, folder, *logged) as track,
        ):
            trainer = Trainer(config, self.corpus, self.backend, evaluation)
            if checkpoint:
                trainer.restore(checkpoint.step, checkpoint.tensors)
                cadence.last_step = checkpoint.step
            try:
                self._train(trainer, writer, track, cadence)
            except (Diverged, Stop):  # both fall between two updates, where the state is whole
                save(folder, Checkpoint(trainer.done, trainer.state(), writer.rows))
                raise
            writer.manifest["parameters"] = sum(p.numel() for p in trainer.model.parameters())
            digest = write_tensors(folder / MODEL, trainer.weights())
            writer.manifest["model_sha256"] = digest
        clear(folder)

    def _begun(self) -> tuple[Checkpoint | None, Mapping[str, Any]]:
        """Where to go on from: the run's own newest checkpoint, or a Stage 1 that it shares.

        With the manifest of that; nothing of either at the start of a run.
        """
        clear_partial(self.folder)
        if checkpoint := latest(self.folder, self.log, partial(check_state, self.config)):
            name, earlier = self.config.label(), read_manifest(self.folder) or {}
            self.log(f"{name}: resumes from step {checkpoint.step}")
            if changed := other_threads(earlier, torch.get_num_threads()):
                self.log(f"{name}: {changed}")
            return checkpoint, earlier
        found = self.shared.take(self.config, self.log) if self.shared else None
        return found or (None, {})

    def _train(
        self,
        trainer: Trainer,
        writer: HistoryWriter,
        track: Callable[[Record], None],
        cadence: Cadence,
    ) -> None:
        for record in trainer:
            writer(record)
            track(record)
            if self.shared and record.step == stage_boundary(self.config.steps):
                state = Checkpoint(record.step, trainer.state(), writer.rows)
                self.shared.keep(state, writer.manifest, self.log)
            for callback in self.callbacks:
                callback(self.config, record)
            if cadence.due(record.step) and record.step < self.config.steps:
                start = time.monotonic()
                save(self.folder, Checkpoint(record.step, trainer.state(), writer.rows))
                cadence.note(record.step, time.monotonic() - start)

    def _facts(self) -> dict[str, object]:
        config, corpus, backend = self.config, self.corpus, self.backend
        tokens = config.steps * config.batch_size * config.sequence_length
        return {
            "identity": self.folder.name,
            "corpus": corpus.facts(),
            "device": backend.facts(),
            "epochs": tokens / len(corpus.train),
        }


def other_threads(manifest: Mapping[str, Any], threads: int) -> str:
    """What is to be said of a run that goes on with so many threads; "" where it had as many."""
    before = manifest.get("device", {}).get("threads", threads)  # of CUDA none are told
    if before == threads:
        return ""
    return f"trained with {before} thread(s) so far: not bit for bit with {threads}"


def _out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return any(text in str(error) for text in _OUT_OF_MEMORY)
