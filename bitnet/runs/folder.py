"""A new folder that is there whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bitnet import checks

__all__ = ["new_folder"]


@contextmanager
def new_folder(name: str, value: object) -> Iterator[Path]:
    """A folder to write into, beside the path `value`, whose name it takes when all is written.

    On an error or an interrupt it is removed. `name` is that of the parameter.

    Raises: `ParameterError` for a path that is taken or cannot be written.
    """
    try:
        whole = _free(name, value)
        partial = whole.with_name(f".{whole.name}.{os.getpid()}.tmp")
        shutil.rmtree(partial, ignore_errors=True)  # of a process that was killed
        partial.mkdir(parents=True)
        try:
            yield partial
            for path in (p for p in partial.rglob("*") if p.is_file()):
                with path.open("rb") as file:
                    os.fsync(file.fileno())  # before the name says that it is all there
            if whole.exists():
                whole.rmdir()  # empty
            partial.replace(whole)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        problem = f"cannot be written ({checks.first_line(error)}); choose another folder"
        raise checks.ParameterError(name, str(value), problem) from error


def _free(name: str, value: object) -> Path:
    """The path, resolved, since "." and ".." have no name, if nothing or an empty folder is there.

    Raises: `ParameterError`; `OSError` for a path that cannot be looked at.
    """
    folder = checks.folder(name, value)
    if folder is None or (folder.exists() and any(folder.iterdir())):
        raise checks.ParameterError(name, str(value), "must be a new folder, or an empty one")
    return folder.resolve()
