"""Small charts that need no script: places in percent, which a template draws as SVG and text."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from bitnet.display.numbers import whole

__all__ = ["Chart", "Level", "Line", "Point"]

Point = tuple[float, float]
_TEXT = 6.0  # percent of the height of a chart that a line of text takes


@dataclass(frozen=True)
class Line:
    """Points joined in their order, or as dots; `hue` is a colour of CSS, `width` in pixels."""

    name: str
    hue: str
    points: Sequence[Point]
    dashed: bool = False
    dots: bool = False
    width: float = 2


@dataclass(frozen=True)
class Level:
    """A horizontal line with what it stands for."""

    y: float
    text: str


@dataclass(frozen=True)
class Chart:
    """Lines over a common x axis, levels to read them against, and marks as (x, text).

    `low` and `high` bound the y axis where the lines do not reach; a log axis has neither 0 nor
    less, and points there are left out, as are those that are not finite. `left` is the first x
    unless a point lies before it, `note` says what is on the axes, and `labels_left` moves the
    labels of the levels to that side.
    """

    title: str
    lines: Sequence[Line]
    levels: Sequence[Level] = ()
    marks: Sequence[tuple[float, str]] = ()
    log: bool = False
    low: float = math.inf
    high: float = -math.inf
    note: str = ""
    left: float = 0.0
    labels_left: bool = False

    @property
    def x_range(self) -> Point:
        """From `left` to the last point, and never empty."""
        xs = [x for line in self.lines for x, _ in line.points]
        return min([self.left, *xs]), max([self.left + 1, *xs])

    @property
    def y_range(self) -> Point:
        """All lines and levels, with a little air, or whole decades of a log axis."""
        ys = [y for line in self.lines for _, y in line.points if self._drawn(y)]
        ys += [level.y for level in self.levels if self._drawn(level.y)]
        low, high = min([self.low, *ys]), max([self.high, *ys])
        if not math.isfinite(low) or not math.isfinite(high):
            return 1.0, 10.0
        if self.log:
            first = math.floor(math.log10(low) + 1e-9)
            return 10.0**first, 10.0 ** max(first + 1, math.ceil(math.log10(high) - 1e-9))
        air = 0.06 * (high - low) or 1.0
        return low - air, high + air

    def across(self, x: float) -> float:
        """Where an x stands, in percent from the left."""
        first, last = self.x_range
        return round(100 * (x - first) / (last - first), 2)

    def up(self, y: float) -> float:
        """Where a y stands, in percent from the bottom."""
        scale: Callable[[float], float] = math.log10 if self.log else float
        low, high = map(scale, self.y_range)
        return round(100 * (scale(y) - low) / (high - low), 2)

    def path(self, line: Line) -> str:
        """The `d` of an SVG path in a box of 100 by 100; a dot is a line without length."""
        places = [(self.across(x), 100 - self.up(y)) for x, y in line.points if self._drawn(y)]
        if line.dots:
            return "".join(f"M{x:g} {y:g}h0" for x, y in places)
        return "".join(f"{'L' if i else 'M'}{x:g} {y:g}" for i, (x, y) in enumerate(places))

    def levels_drawn(self) -> list[tuple[float, str]]:
        """The levels as (percent from the bottom, text), those that a log axis can show."""
        return [(self.up(level.y), level.text) for level in self.levels if self._drawn(level.y)]

    def level_texts(self) -> list[tuple[float, str, bool]]:
        """The levels as drawn, and whether the text goes below the line: just below another one."""
        drawn, under = self.levels_drawn(), set[float]()
        for above, up in pairwise(sorted({up for up, _ in drawn}, reverse=True)):
            if above - up < _TEXT and above not in under:
                under.add(up)
        return [(up, text, up in under) for up, text in drawn]

    def x_ticks(self) -> list[tuple[float, str]]:
        """(percent from the left, text) of round values."""
        return [(self.across(x), _text(x)) for x in _round_values(*self.x_range)]

    def y_ticks(self) -> list[tuple[float, str]]:
        """(percent from the bottom, text): decades of a log axis, else round values."""
        low, high = self.y_range
        if self.log:
            powers = range(round(math.log10(low)), round(math.log10(high)) + 1)
            thin = 1 + (len(powers) - 1) // 5
            return [(self.up(10.0**p), _power(p)) for p in powers if (p - powers[0]) % thin == 0]
        return [(self.up(y), _text(y)) for y in _round_values(low, high)]

    def _drawn(self, y: float) -> bool:
        return math.isfinite(y) and (y > 0 or not self.log)


def _round_values(low: float, high: float) -> Iterable[float]:
    """Multiples of 1, 2 or 5 times a power of ten, about five of them."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
    return [k * step for k in range(math.ceil(low / step - 1e-9), math.floor(high / step) + 1)]


def _power(exponent: int) -> str:
    """A power of ten: written out near 1, else as a power."""
    if -3 <= exponent <= 4:
        return whole(10**exponent) if exponent >= 0 else f"{10.0**exponent:.{-exponent}f}"
    return "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _text(value: float) -> str:
    return whole(value) if value == round(value) else f"{value:.6g}"
