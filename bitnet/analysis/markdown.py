"""Pieces of Markdown: tables, lists, paragraphs, and documents that quote what is computed."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from bitnet.evaluation.measures import number

__all__ = ["listed", "quote", "tabulated", "wrapped"]

_OPENING = "<!-- from the results: {} -->\n"
_CLOSING = "\n<!-- end -->"


def quote(path: Path, text: str, made_by: str = "make evidence") -> bool:
    """Put `text` between the two marks of a document; whether that changed it.

    The first mark names the command that it is made by.

    Raises: `ValueError` for a document without the marks.
    """
    before, opening = path.read_text(encoding="utf-8"), _OPENING.format(made_by)
    head, mark, rest = before.partition(opening)
    _, end, tail = rest.partition(_CLOSING)
    if not mark or not end:
        place = f"between {opening.strip()} and {_CLOSING.strip()}"
        raise ValueError(f"{path} has no place for the results {place}")
    after = f"{head}{mark}{text}{end}{tail}"
    if after != before:
        path.write_text(after, encoding="utf-8", newline="\n")
    return after != before


def listed(items: Sequence[str]) -> str:
    """The items of a Markdown list, in lines of at most 100 characters."""
    return "\n".join(wrapped(item, indent="   ") for item in items)


def wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(
        text, 100, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def tabulated(frame: pd.DataFrame) -> str:
    """A Markdown table; arms are set as code, numbers that are not whole with three decimals."""
    rows = [_cells(row) for row in frame.to_dict("records")]
    rule = "|---" * len(frame.columns) + "|"
    return "\n".join([f"| {' | '.join(frame.columns)} |", rule, *rows])


def _cells(row: Mapping[str, object]) -> str:
    cells = [
        f"`{cell}`" if name == "arm" else number(cell, 2) if isinstance(cell, float) else str(cell)
        for name, cell in row.items()
    ]
    return f"| {' | '.join(cells)} |"
