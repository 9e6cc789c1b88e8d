"""The folder of a report: claimed before a study starts, and filled whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from filelock import FileLock

from bitnet.checks import ParameterError, first_line, folder
from bitnet.files import check_way
from bitnet.runs.history import HistoryError
from bitnet.runs.plan import Plan

__all__ = ["PAGE", "TRACES", "VERDICT", "claim_report", "place_for"]

VERDICT, PAGE, TRACES = "verdict.json", "report.html", "traces"
_ROOM = 2**21  # bytes that the disk has to have for a report
_PATIENCE = 60.0  # seconds to wait for another process, which needs one or two for its report


def claim_report(plan: Plan, report_dir: str | Path = "") -> Path:
    """The folder that the report of a plan will be written to, found fit for it; not there yet.

    It is by default in the runs folder, named after the plan. An earlier report in its place
    becomes NAME.previous, or NAME.previous-2 and so on: nothing is deleted, and a study that dies
    leaves no report that could be taken for its own.

    Raises: `ParameterError` for what can be no such folder, `HistoryError` where it holds something
    else or cannot be written.
    """
    chosen = folder("report_dir", report_dir) or Path(plan.runs_dir) / "reports" / plan.name
    real = _real(chosen)
    for inside, what in ((plan.runs_dir, "runs folder"), (Path.cwd(), "current folder")):
        if _real(Path(inside)).is_relative_to(real):
            allowed = f"must be a folder of its own, and holds the {what}"
            raise ParameterError("report_dir", str(chosen), allowed)
    try:
        check_way(Path(plan.runs_dir), chosen)
    except OSError as error:
        raise ParameterError("report_dir", str(chosen), str(error)) from error
    with place_for(chosen) as partial:
        (partial / PAGE).write_bytes(bytes(_ROOM))
    return chosen


@contextmanager
def place_for(report: Path) -> Iterator[Path]:
    """An empty folder beside a report's, which may take its name; no other process is in there.

    What stands under that name is moved aside first. Afterwards what still lies beside is dropped.

    Raises: `HistoryError` where it cannot be written, or `report` holds something else.
    """
    real = _real(report)
    partial = real.with_name(f".{real.name}.tmp")
    try:
        real.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(real.with_name(f".{real.name}.lock"), timeout=_PATIENCE):
            _move_aside(real)
            shutil.rmtree(partial, ignore_errors=True)  # left by a process that was killed
            partial.mkdir()
            try:
                yield partial
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        remedy = "make room or choose another report_dir; finished runs are kept"
        raise HistoryError(
            f"{report}: cannot be written ({first_line(error)}); {remedy}"
        ) from error


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))  # unlike `resolve` with no error for a loop of links


def _move_aside(report: Path) -> None:
    if not os.path.lexists(report):
        return
    if not any(report.iterdir()):
        report.rmdir()
        return
    if not all((report / name).exists() for name in (VERDICT, PAGE, TRACES)):
        raise HistoryError(f"{report}: holds other files and no report; choose another report_dir")
    names = (report.with_name(f"{report.name}.previous{f'-{i}' * (i > 1)}") for i in count(1))
    report.rename(next(path for path in names if not os.path.lexists(path)))
