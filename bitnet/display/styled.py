"""Tables and texts for a notebook; what stands in them is text, and no HTML."""

import math
from html import escape

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

from bitnet.evaluation.measures import MEASURES, MISSING, Measure, number

__all__ = ["markdown", "styled"]


def markdown(text: str) -> object:
    """A text in Markdown, such as a verdict with the names of runs in it, as IPython shows it."""
    from IPython.display import Markdown

    return Markdown(escape(text, quote=False))


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
    for axis in (0, 1):  # labels are texts too, such as the arm of a run
        style = style.format_index(str, escape="html", axis=axis)
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
