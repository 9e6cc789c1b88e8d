"""Tables: numbers as people write them, and in HTML what models say. All of it is escaped."""

import math
from collections.abc import Sequence
from html import escape

import numpy as np
import pandas as pd
import torch
from pandas.io.formats.style import Styler

from bitnet.evaluation.measures import MEASURES, MISSING, Measure, number
from bitnet.evaluation.repetition import repeated
from bitnet.records import Snapshot
from bitnet.tokenizer import decode

__all__ = [
    "continuations_table", "marked", "next_tokens_table", "shown", "styled", "top_tokens_table",
]  # fmt: skip

_TABLE = '<table style="text-align:left;border-collapse:collapse;font-size:13px">'
_PADDED = "text-align:left;padding:2px 10px 2px 0"
_CELL = f'<td style="{_PADDED};vertical-align:top;border-bottom:1px solid #ddd">'
_HEAD = f'<th style="{_PADDED}">'
_REPEAT = '<span style="background:#E69F0066" title="repeats an earlier 4-gram">'
REPEAT_LENGTH = 4


def styled(frame: pd.DataFrame, missing: str = MISSING) -> Styler:
    """A table for a notebook, each number as people write it, `missing` where there is none.

    A measure has its own decimals, known by its name or column head, in the columns or in the
    index. Whole numbers have none and others three, or three digits where they are smaller.
    """
    by_row = all(_measure(label) is not None for label in frame.index)
    cells = {
        column: [
            _written(_measure(label if by_row else column), value, missing)
            for label, value in zip(frame.index, frame[column], strict=True)
        ]
        for column in frame
    }
    style = pd.DataFrame(cells, index=frame.index).style.format(escape="html")
    return style.hide() if isinstance(frame.index, pd.RangeIndex) else style


def _measure(label: object) -> Measure | None:
    """The measure of a column head such as "unique tokens (of 4123)", if it is one."""
    head = str(label).partition(" (")[0]
    return next((m for m in MEASURES.values() if head in (m.name, m.column)), None)


def _written(measure: Measure | None, value: object, missing: str) -> str:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return missing
    if not isinstance(value, int | float | np.number):
        return str(value)
    real = float(value)
    if measure is not None:
        return measure.text(real)
    if not math.isfinite(real) or real.is_integer():
        return number(real)
    return number(real, 3) if abs(real) >= 0.001 else f"{real:.3g}"


def shown(token: int) -> str:
    """A token as text to read: its spaces and line breaks made visible."""
    return decode([int(token)]).replace(" ", "␣").replace("\n", "⏎").replace("\t", "⇥")


def top_tokens_table(snapshot: Snapshot, rows: int = 10) -> str:
    """The tokens that win most positions, with their shares of those and of the training text."""
    body = [
        (shown(i), f"{100 * share:.1f} %", f"{100 * text:.2f} %")
        for i, share, text in snapshot.top_tokens[:rows]
    ]
    return _table(("token", "wins", "in the text"), body)


def next_tokens_table(snapshot: Snapshot, prompts: Sequence[Sequence[int]]) -> str:
    """For each prompt (token ids), the likeliest next tokens with their probabilities."""
    body = [
        (decode(list(prompt)), ", ".join(f"{shown(i)} {100 * p:.1f} %" for i, p in answers))
        for prompt, answers in zip(prompts, snapshot.next_tokens, strict=False)
    ]
    return _table(("prompt", "likeliest next tokens"), body)


def continuations_table(
    prompts: Sequence[Sequence[int]] | None,
    continuations: dict[str, Sequence[Sequence[int]]],
    rows: int = 8,
) -> str:
    """Each prompt (None: not shown) with its continuation by each named model, side by side.

    The tokens of repeated 4-grams are marked.
    """
    columns = {name: [marked(said) for said in texts] for name, texts in continuations.items()}
    if prompts is not None:
        columns = {"prompt": [escape(decode(list(prompt))) for prompt in prompts]} | columns
    lines = "".join(
        f"<tr>{''.join(f'{_CELL}{cell}</td>' for cell in cells)}</tr>"
        for cells in list(zip(*columns.values(), strict=True))[:rows]
    )
    return f"{_TABLE}<tr>{_heads(tuple(columns))}</tr>{lines}</table>"


def marked(ids: Sequence[int]) -> str:
    """The text of a continuation as HTML, with every token of a repeated 4-gram marked."""
    ids = list(ids)
    mask = [False] * len(ids)
    if len(ids) >= REPEAT_LENGTH:
        mask = repeated(torch.tensor([ids]), REPEAT_LENGTH)[0].tolist()
    whole, html, start = decode(ids), "", 0
    for end in range(1, len(ids) + 1):
        if end < len(ids) and mask[end] == mask[end - 1]:
            continue
        # A character may lie across the end: its bytes are whole only with the next token's, and it
        # goes there.
        stop = len(decode(ids[:end]).rstrip("\ufffd")) if end < len(ids) else len(whole)
        text = escape(whole[start:stop]).replace("\n", "⏎ ")
        html += f"{_REPEAT}{text}</span>" if mask[end - 1] else text
        start = stop
    return html


def _heads(names: Sequence[str]) -> str:
    return "".join(f"{_HEAD}{escape(name)}</th>" for name in names)


def _table(heads: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = "".join(
        f"<tr>{''.join(f'{_CELL}{escape(cell)}</td>' for cell in row)}</tr>" for row in body
    )
    return f"{_TABLE}<tr>{_heads(heads)}</tr>{lines}</table>"
