"""Checks of what a caller passes in: one line with parameter, value and what is allowed."""

import difflib
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from numbers import Integral, Real
from pathlib import Path
from reprlib import Repr

__all__ = [
    "OneLineError",
    "ParameterError",
    "boolean",
    "choice",
    "first_line",
    "folder",
    "instance",
    "instances",
    "integer",
    "names",
    "number",
    "path",
    "printable",
    "seeds",
    "text",
]

# What a terminal obeys or cannot write: control characters other than tab and line break, what
# turns the direction of a line, ends it, or is half of a character.
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
# A value in a message: one that is nested or has a million entries is cut, and soon.
_SHORT = Repr()
_SHORT.maxlevel = 3
_SHORT.maxlist = _SHORT.maxdict = _SHORT.maxtuple = 12
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 300
_LONGEST = 500  # characters of a value in a message


class OneLineError(Exception):
    """An error whose message is one line that says all there is to say."""

    def __str__(self) -> str:
        return printable(super().__str__()).replace("\n", "\\n")

    def _render_traceback_(self) -> list[str]:
        """Shown by IPython in place of a stack trace."""
        return [f"{type(self).__name__}: {self}"]


class ParameterError(OneLineError, ValueError):
    """A parameter has a value that is not allowed; one line names it and what is allowed."""

    def __init__(self, name: str, value: object, allowed: str):
        super().__init__(name, value, allowed)  # so that it comes whole out of another process

    def __str__(self) -> str:
        name, value, allowed = self.args
        return printable(f"{name} = {_shortened(value)}: {allowed}").replace("\n", "\\n")


def printable(text: object) -> str:
    """A text with what a terminal would obey written out, such as \\x1b; line breaks stay."""
    return _OBEYED.sub(lambda found: found[0].encode("unicode_escape").decode(), str(text))


def first_line(error: BaseException) -> str:
    """The first line of what an error says, for a message that is one line; else its type."""
    return str(error).strip().partition("\n")[0].rstrip() or type(error).__name__


def instance(name: str, value: object, kind: type, given_by: str = "") -> None:
    """Refuse what is no `kind`; `given_by` says what makes one. Raises: `ParameterError`."""
    if not isinstance(value, kind):
        hint = f", as {given_by} gives it" if given_by else ""
        raise ParameterError(name, value, f"must be a {kind.__name__}{hint}")


def instances(name: str, values: object, kind: type, given_by: str = "") -> None:
    """Refuse what is no list of that kind. Raises: `ParameterError`."""
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Sequence):
        raise ParameterError(name, values, f"must be a list of {kind.__name__}")
    for index, value in enumerate(values):
        instance(f"{name}[{index}]", value, kind, given_by)


def text(name: str, value: object) -> str:
    """`value` if it is a text of at least one character, none of them half of one.

    Raises: `ParameterError`.
    """
    if not isinstance(value, str) or not value:
        raise ParameterError(name, value, "must be a text of at least one character")
    try:
        value.encode()
    except UnicodeEncodeError:
        allowed = "must be a text that can be written, and has half of a character in it"
        raise ParameterError(name, value, allowed) from None
    return value


def number(
    name: str, value: object, at_least: float = -math.inf, at_most: float = math.inf
) -> float:
    """`value` as a finite float in [at_least, at_most].

    Text such as "1e-3", which YAML leaves a string, is converted. Raises: `ParameterError`.
    """
    allowed = f"must be a number{_range(at_least, at_most)}"
    if isinstance(value, bool) or not isinstance(value, Real | str):
        raise ParameterError(name, value, allowed)
    try:
        result = float(value)
    except (ValueError, OverflowError):
        raise ParameterError(name, value, allowed) from None
    if not math.isfinite(result) or not at_least <= result <= at_most:
        raise ParameterError(name, value, allowed)
    return result


def integer(
    name: str, value: object, at_least: int | None = None, at_most: int | None = None
) -> int:
    """`value` as an int in [at_least, at_most]; 512.0, "512" and "2e4" are whole numbers too.

    Raises: `ParameterError`.
    """
    low = -math.inf if at_least is None else at_least
    high = math.inf if at_most is None else at_most
    allowed = f"must be a whole number{_range(low, high)}"
    try:
        result = number(name, value)
    except ParameterError:
        raise ParameterError(name, value, allowed) from None
    if not result.is_integer() or not low <= result <= high:
        raise ParameterError(name, value, allowed)
    return int(value) if isinstance(value, Integral) else int(result)


def boolean(name: str, value: object) -> bool:
    """`value` if it is True or False."""
    if not isinstance(value, bool):
        raise ParameterError(name, value, "must be True or False")
    return value


def choice(name: str, value: object, allowed: Sequence[str]) -> str:
    """`value` if it is one of `allowed`; otherwise the error suggests the nearest."""
    if isinstance(value, str) and value in allowed:
        return value
    near = difflib.get_close_matches(str(value), allowed, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise ParameterError(name, value, f"must be one of {', '.join(allowed)}{hint}")


def names(name: str, value: object, allowed: Sequence[str]) -> tuple[str, ...]:
    """A comma-separated text, or a list, of distinct members of `allowed`."""
    items = tuple(choice(name, item, allowed) for item in _items(value))
    if not items or len(set(items)) != len(items):
        raise ParameterError(
            name, value, f"must name one or more of {', '.join(allowed)}, each once"
        )
    return items


def seeds(name: str, value: object) -> tuple[int, ...]:
    """A comma-separated text, a list or a single whole number: distinct seeds, each at least 0."""
    items = tuple(integer(name, item, 0, 2**31 - 1) for item in _items(value))
    if not items or len(set(items)) != len(items):
        raise ParameterError(
            name, value, "must be one or more different whole numbers, such as 0 or 0,1,2"
        )
    return items


def path(name: str, value: object) -> Path:
    """`value` as a path that the file system can have, there or not; `~` is the home folder.

    Raises: `ParameterError`.
    """
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        raise ParameterError(name, value, "must be a path")
    try:
        found = Path(value).expanduser()
        with suppress(FileNotFoundError, NotADirectoryError):
            found.stat()  # says what no file system can have, and what this one does not give
    except (OSError, ValueError, RuntimeError, TypeError) as error:
        why = getattr(error, "strerror", None) or first_line(error)
        raise ParameterError(name, str(value), f"cannot be used as a path ({why})") from error
    return found


def folder(name: str, value: object) -> Path | None:
    """A path that is a folder or could become one; None where none was given.

    Raises: `ParameterError`.
    """
    if isinstance(value, str) and not value:
        return None
    found = path(name, value)
    if found.exists() and not found.is_dir():
        raise ParameterError(name, str(value), "is no folder, and must be one or a new name")
    return found


def _shortened(value: object) -> str:
    try:
        text = _SHORT.repr(value)
    except ValueError:  # a whole number of more digits than Python writes
        return "a number too long to be written"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _items(value: object) -> list[object]:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    try:
        listed = isinstance(value, Iterable) and not isinstance(value, bytes)
        return list(value) if listed else [value]  # type: ignore[call-overload]
    except TypeError:  # numpy's array of no dimension, which is not iterable after all
        return [value]


def _range(low: float, high: float) -> str:
    if math.isfinite(low) and math.isfinite(high):
        return f" from {low} to {high}"
    if math.isfinite(low):
        return f" of at least {low}"
    if math.isfinite(high):
        return f" of at most {high}"
    return ""
