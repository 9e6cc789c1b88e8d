"""Labels in the right margin of a figure, level with what they name and none over another."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import mean

import plotly.graph_objects as go

__all__ = ["Label", "apart", "label_margin", "wrapped"]

_SIZE = 12  # pixels, of the font
_LINE = 16  # pixels, from one line of text to the next
_LETTER = 6.6  # pixels of a letter on average, rather too wide than too narrow
_LEADER = 14  # pixels, of the line from the plot to the text
_BEFORE, _AFTER = 4, 10  # pixels
_LETTERS = 26  # of a line of text, unless it is one word


@dataclass(frozen=True)
class Label:
    """A text (HTML of plotly's kind) that names what ends or lies at `y`, in the colour `hue`."""

    y: float
    text: str
    hue: str

    @property
    def lines(self) -> list[str]:
        return self.text.split("<br>")


def wrapped(text: str) -> str:
    """A plain text in lines that fit the margin."""
    lines = textwrap.wrap(text, _LETTERS, break_long_words=False, break_on_hyphens=False)
    return "<br>".join(lines)


def label_margin(figure: go.Figure, labels: Sequence[Label], bottom: float = 0.0) -> None:
    """Write the labels beside the plot, each joined to its place by a short line.

    The y axis has its range, the figure its height and margins. `bottom` is the part of the plot,
    from 0 to 1, below the y axis. A place outside the range is that of its end.
    """
    layout = figure.layout
    letters = max((_letters(line) for label in labels for line in label.lines), default=0)
    room = _BEFORE + _LEADER + _LETTER * letters + _AFTER if labels else 20
    layout.margin.r = math.ceil(room)
    low, high = layout.yaxis.range
    height = (layout.height - layout.margin.t - layout.margin.b) * (1 - bottom)
    log = layout.yaxis.type == "log"
    placed = []
    for label in labels:
        y = math.log10(label.y) if log else label.y
        placed.append((min(max(y, low), high), label))
    placed.sort(key=lambda pair: pair[0])
    pixels = [(y - low) / (high - low) * height for y, _ in placed]
    places = apart(pixels, [_LINE * len(label.lines) for _, label in placed], height)
    for (y, label), at, place in zip(placed, pixels, places, strict=True):
        figure.add_annotation(
            x=1, xref="paper", y=y, ax=_LEADER, ay=round(at - place, 1), text=label.text,
            xanchor="left", yanchor="middle", align="left", xshift=_BEFORE, showarrow=True,
            arrowhead=0, arrowwidth=1, arrowcolor=label.hue, borderpad=0,
            font={"color": label.hue, "size": _SIZE},
        )  # fmt: skip


def apart(values: Sequence[float], sizes: Sequence[float], room: float) -> list[float]:
    """The nearest centres to ascending `values` of things of such `sizes` that do not overlap.

    They stay between 0 and `room` if that holds them all. By pooling adjacent violators (Barlow et
    al. 1972), of the values less the place that the things before take.
    """
    if not values:
        return []
    before = [0.0]
    for one, other in pairwise(sizes):
        before.append(before[-1] + (one + other) / 2)
    blocks: list[list[float]] = []
    for value, taken in zip(values, before, strict=True):
        blocks.append([value - taken])
        while len(blocks) > 1 and mean(blocks[-2]) > mean(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    least, most = sizes[0] / 2, room - sizes[-1] / 2 - before[-1]
    free = [mean(block) for block in blocks for _ in block]
    return [max(min(at, most), least) + taken for at, taken in zip(free, before, strict=True)]


def _letters(line: str) -> int:
    return len(line.replace("<b>", "").replace("</b>", ""))
