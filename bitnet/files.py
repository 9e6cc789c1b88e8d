"""Files that may be a stranger's: what is read is a file of sane size, what is written no link."""

import json
import os
import stat
from pathlib import Path
from typing import Any

__all__ = [
    "LARGEST_TENSORS",
    "ForeignFileError",
    "check_folder",
    "check_way",
    "parse_json",
    "read_bytes",
    "read_json",
    "read_text",
    "sibling",
    "write_text",
    "write_whole",
]

LARGEST_TEXT = 2**29  # bytes; a run that is evaluated after each of 20 000 updates has a fifth
LARGEST_TENSORS = 2**35
DEEPEST = 32  # levels of nested JSON


class ForeignFileError(OSError):
    """Something lies in the place of a file or folder of ours, and is neither followed nor read."""


def check_folder(folder: Path) -> None:
    """Refuse a folder of ours that is a link, or holds one, or a pipe or a device.

    Whoever sends such a folder could have other files read or overwritten. One that is missing is
    no matter. Raises: `ForeignFileError`.
    """
    if folder.is_symlink():
        raise ForeignFileError(f"{folder.name} is a symbolic link")
    if folder.is_dir():
        for path in folder.iterdir():
            _check(path.lstat(), path.name, or_folder=True)


def check_way(root: Path, path: Path) -> None:
    """Refuse a path within a folder of ours that a link in it leads elsewhere.

    `root` itself may be one. What is not there yet is no matter. Raises: `ForeignFileError`.
    """
    for part in (path, *path.parents):
        if part == root or not part.is_relative_to(root):
            return
        if part.is_symlink():
            raise ForeignFileError(f"{part.relative_to(root)} is a symbolic link")


def sibling(folder: Path, name: object) -> Path:
    """The file of that name, which a stranger may have chosen, in `folder` itself.

    Raises: `ValueError` for a name that leads elsewhere.
    """
    if not isinstance(name, str) or name in ("", ".", "..") or {"/", "\\", "\0"} & set(name):
        raise ValueError(f"{name!r} is not the name of a file in the folder")
    return folder / name


def read_bytes(path: Path, at_most: int = LARGEST_TEXT) -> bytes:
    """What is in a regular file of at most so many bytes. Raises: `OSError`."""
    found = path.lstat()
    _check(found, path.name)
    if found.st_size > at_most:
        raise ForeignFileError(f"{path.name} has {found.st_size} bytes, of at most {at_most}")
    return path.read_bytes()


def read_text(path: Path) -> str:
    """The UTF-8 text of a file as `read_bytes`. Raises: `OSError`, `ValueError`."""
    return read_bytes(path).decode()


def read_json(path: Path) -> Any:
    """The JSON in a file as `read_bytes`. Raises: `OSError`, `ValueError`."""
    return parse_json(read_text(path))


def parse_json(text: str) -> Any:
    """The value of a JSON text. Raises: `ValueError`, also for one that is nested too deep."""
    too_deep = f"JSON nested more than {DEEPEST} deep"
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError(too_deep) from None
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(DEEPEST):
        lists = (v.values() if isinstance(v, dict) else v for v in level)
        level = [v for values in lists for v in values if isinstance(v, dict | list)]
    if level:
        raise ValueError(too_deep)
    return value


def write_text(path: Path, text: str) -> None:
    """Write a new file in the place of whatever has its name: never into it.

    The same bytes on every system. Raises: `OSError`.
    """
    path.unlink(missing_ok=True)
    with path.open("x", encoding="utf-8", newline="\n") as file:
        file.write(text)


def write_whole(path: Path, text: str) -> None:
    """Write a file in the place of one that may be there: whole, or not at all. Raises: `OSError`.

    Where a link stands, what it leads to is replaced.
    """
    whole = path.resolve()
    partial = whole.with_name(f".{whole.name}.tmp")
    try:
        write_text(partial, text)
        partial.replace(whole)
    finally:
        partial.unlink(missing_ok=True)


def _check(found: os.stat_result, name: str, or_folder: bool = False) -> None:
    if stat.S_ISLNK(found.st_mode):
        raise ForeignFileError(f"{name} is a symbolic link")
    if not stat.S_ISREG(found.st_mode) and not (or_folder and stat.S_ISDIR(found.st_mode)):
        raise ForeignFileError(f"{name} is not a regular file")
