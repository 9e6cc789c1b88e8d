"""What is in a run's folder before it is trained: the finished run, or what stands in its way."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from bitnet.checks import ParameterError
from bitnet.config import RunConfig
from bitnet.runs.checkpoint import clear
from bitnet.runs.history import (
    History,
    HistoryError,
    NewerFormatError,
    OtherRunError,
    UnreadableError,
)

__all__ = ["finished", "mended"]


def finished(folder: Path, config: RunConfig, log: Callable[[str], None]) -> History | None:
    """The history of that run if nothing is left to train. Raises: `HistoryError`."""
    if not (folder / "manifest.json").exists():
        return None
    history = History.load(folder)
    if not history.is_of(config):
        raise OtherRunError(f"{folder}: holds another run, {history.config.label()}")
    if history.complete:
        with suppress(OSError):
            clear(folder)  # of a process that was stopped while it did so
    elif history.status != "diverged":
        return None
    log(f"{config.label()}: {history.status}, loaded from {folder}")
    return history


def mended(folder: Path, config: RunConfig, log: Callable[[str], None]) -> History | None:
    """As `finished`; but a folder that is damaged or holds another run is made way for.

    It is moved aside, and that is logged, unless the run's own checkpoints are in it.
    """
    try:
        return finished(folder, config, log)
    except (NewerFormatError, UnreadableError):
        raise
    except (HistoryError, ParameterError) as error:
        if any(folder.glob("checkpoint-*.json")) and not isinstance(error, OtherRunError):
            log(f"{error}; resuming from its checkpoint")
        else:
            _move_aside(folder, error, log)
        return None


def _move_aside(folder: Path, error: Exception, log: Callable[[str], None]) -> None:
    names = (folder.with_name(f"{folder.name}.damaged-{i}") for i in range(1, 10**6))
    aside = next(path for path in names if not path.exists())
    try:
        folder.rename(aside)
    except OSError as problem:
        failed = f"it could not be moved to {aside.name} ({problem})"
        raise HistoryError(f"{error}; {failed}") from problem
    log(f"{error}; moved to {aside.name}, training again")
