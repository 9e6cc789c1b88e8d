"""Numbers of pages as people write them: 4 123, 76 %, 0.00; never 73.000, -0.000 or nan."""

import math

from bitnet.evaluation.measures import MEASURES, MISSING, number

__all__ = ["decimal", "measured", "percent", "whole"]

_FIRM = "\u00a0"  # a space of full width at which a line does not break


def whole(value: float) -> str:
    """A count, its thousands apart."""
    return number(value)


def decimal(value: float, decimals: int = 2) -> str:
    """A value with so many decimals; a zero has no sign, and what is not there is a dash."""
    return number(value, decimals)


def percent(share: float) -> str:
    """A share as a percentage: whole from 10 % on, with one decimal below."""
    if not math.isfinite(share):
        return MISSING
    if 0 < share < 0.0005:
        return f"<0.1{_FIRM}%"
    return f"{number(100 * share, 0 if share == 0 or share >= 0.0995 else 1)}{_FIRM}%"


def measured(name: str, value: float) -> str:
    """A value of a measure: shares as percentages, the others with the decimals of the measure."""
    measure = MEASURES[name]
    return percent(value) if measure.unit == "share" else measure.text(value)
