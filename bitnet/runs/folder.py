"""A new folder that is there whole or not at all."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock

from bitnet import checks

__all__ = ["new_folder"]

_LOCK = ".lock"


@contextmanager
def new_folder(name: str, value: object) -> Iterator[Path]:
    """A folder to write into, beside the path `value`, whose name it takes when all is written.

    On an error or an interrupt it is removed. `name` is that of the parameter.

    Raises: `ParameterError` for a path that is taken or cannot be written.
    """
    try:
        whole = _free(name, value)
        whole.parent.mkdir(parents=True, exist_ok=True)
        _drop_abandoned(whole)
        partial = whole.with_name(f".{whole.name}.{os.getpid()}.tmp")
        partial.mkdir()
        lock = FileLock(partial / _LOCK, timeout=0)  # which dies with this process
        lock.acquire()
        try:
            yield partial
            lock.release()
            (partial / _LOCK).unlink()
            for path in (p for p in partial.rglob("*") if p.is_file()):
                with path.open("rb") as file:
                    os.fsync(file.fileno())  # before the name says that it is all there
            if whole.exists():
                whole.rmdir()  # empty
            partial.replace(whole)
        finally:
            lock.release()
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        problem = f"cannot be written ({checks.first_line(error)}); choose another folder"
        raise checks.ParameterError(name, str(value), problem) from error


def _drop_abandoned(whole: Path) -> None:
    """Drop what processes that were killed left half written: nobody holds a lock in there."""
    for path in whole.parent.iterdir():
        if (
            re.fullmatch(rf"\.{re.escape(whole.name)}\.\d+\.tmp", path.name)
            and not path.is_symlink()
        ):
            with suppress(OSError), FileLock(path / _LOCK, timeout=0):  # a `Timeout` is one
                shutil.rmtree(path, ignore_errors=True)


def _free(name: str, value: object) -> Path:
    """The path, resolved, since "." and ".." have no name, if nothing or an empty folder is there.

    Raises: `ParameterError`; `OSError` for a path that cannot be looked at.
    """
    folder = checks.folder(name, value)
    if folder is None or (folder.exists() and any(folder.iterdir())):
        raise checks.ParameterError(name, str(value), "must be a new folder, or an empty one")
    return folder.resolve()
