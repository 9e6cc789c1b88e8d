"""Trackers: what a run is told to while it goes on, besides its folder, such as TensorBoard.

A log is no part of its run: it is beside the folders of the runs, in
`RUNS_DIR/tracking/TRACKER/IDENTITY`, and nothing reads it here. It stays on this machine.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from bitnet import checks
from bitnet.evaluation.measures import MEASURES
from bitnet.evaluation.weights import HEALTH
from bitnet.extras import remedy
from bitnet.files import check_folder
from bitnet.records import Record

__all__ = ["NO_TRACKER", "TRACKERS", "TensorBoard", "Tracker", "check_tracker", "logs", "tracked"]

NO_TRACKER = "none"
_GROUPS = {"train": ("loss", "lr", "wd"), "measures": tuple(MEASURES), "weights": HEALTH}


class Tracker(Protocol):
    """The log of one run, made of the folder for it and the last update that it is to keep.

    What an earlier session has logged of later updates is to go: the run trains them again.
    """

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Values after update `step`, by names such as "train/loss"."""
        ...

    def close(self) -> None: ...


class TensorBoard:
    """Scalars for TensorBoard, which shows them while they are written."""

    def __init__(self, folder: Path, done: int):
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(folder), purge_step=done + 1)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)
        self.writer.flush()  # a process that is killed loses nothing that a checkpoint has

    def close(self) -> None:
        self.writer.close()


TRACKERS: dict[str, Callable[[Path, int], Tracker]] = {"tensorboard": TensorBoard}


def check_tracker(name: object) -> str:
    """The name of a tracker that can be used here, or "none".

    Raises: `ParameterError` for another name, and where the tracker's package is missing.
    """
    chosen = checks.choice("tracker", name, (NO_TRACKER, *TRACKERS))
    if chosen == "tensorboard":
        try:
            import tensorboard  # noqa: F401
        except ImportError as error:
            needed = f"needs the package tensorboard; {remedy('tracking')}"
            raise checks.ParameterError("tracker", chosen, needed) from error
    return chosen


def logs(name: str, runs_dir: Path) -> Path:
    """The folder of a tracker's logs, one a run."""
    return runs_dir / "tracking" / name


@contextmanager
def tracked(
    name: str, run: Path, done: int = 0, rows: Sequence[Mapping[str, Any]] = ()
) -> Iterator[Callable[[Record], None]]:
    """What to tell each record of a run to, whose folder is `run`, from update `done` on.

    A log that begins after the run did begins with the evaluations that there are, `rows`.
    """
    if name == NO_TRACKER:
        yield lambda record: None
        return
    folder = logs(name, run.parent) / run.name
    check_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    begun = any(folder.iterdir())
    tracker = TRACKERS[name](folder, done if begun else 0)
    try:
        for row in () if begun else rows:
            tracker.log(int(row["step"]), _named(row))
        yield lambda record: tracker.log(record.step, _named(_row(record)))
    finally:
        tracker.close()


def _row(record: Record) -> dict[str, Any]:
    train = {"loss": record.loss, "lr": record.lr, "wd": record.wd}
    return {**train, **record.measures, **record.health}


def _named(row: Mapping[str, Any]) -> dict[str, float]:
    """The values of a row by group and name; what is not known yet, such as flips, is left out."""
    return {
        f"{group}/{name}": row[name]
        for group, names in _GROUPS.items()
        for name in names
        if name in row and not math.isnan(row[name])
    }
