"""Numbers as people write them: 4 123, 76 %, 0.00; never 73.000, -0.000 or nan."""

import math

from bitnet.evaluation.measures import MEASURES

__all__ = ["MISSING", "decimal", "measured", "percent", "whole"]

MISSING = "–"
_THIN, _FIRM = "\u202f", "\u00a0"  # spaces at which a line does not break


def whole(value: float) -> str:
    """A count, its thousands apart."""
    return f"{value:,.0f}".replace(",", _THIN) if math.isfinite(value) else MISSING


def decimal(value: float, decimals: int = 2) -> str:
    """A value with so many decimals; a zero has no sign, and what is not there is a dash."""
    if not math.isfinite(value):
        return MISSING
    text = f"{value:,.{decimals}f}".replace(",", _THIN)
    return text.removeprefix("-") if float(f"{value:.{decimals}f}") == 0 else text


def percent(share: float) -> str:
    """A share as a percentage: whole from 10 % on, with one decimal below."""
    if not math.isfinite(share):
        return MISSING
    if 0 < share < 0.0005:
        return f"<0.1{_FIRM}%"
    return f"{100 * share:.{0 if share == 0 or share >= 0.0995 else 1}f}{_FIRM}%"


def measured(name: str, value: float) -> str:
    """A value of a measure: shares as percentages, the others with the decimals of the measure."""
    measure = MEASURES[name]
    return percent(value) if measure.unit == "share" else decimal(value, measure.decimals)
