"""What is committed beside the package: the notebooks, the grids of the plans, the results.

A checkout has it in folders beside the package, a wheel inside.
"""

from pathlib import Path

from bitnet.checks import OneLineError

__all__ = ["CHECKOUT", "NoCheckoutError", "checkout", "committed", "in_checkout"]

_WHEEL = Path(__file__).parent / "committed_files"  # see pyproject.toml
CHECKOUT = Path(__file__).parents[1]


class NoCheckoutError(OneLineError, RuntimeError):
    """What is published is committed, which needs a checkout."""


def committed(name: str) -> Path:
    """The path of a committed file or folder, such as "params/plan.yaml"; it may not be there."""
    return (_WHEEL if _WHEEL.is_dir() else CHECKOUT) / name


def in_checkout() -> bool:
    """Whether this package is that of a checkout, and not an installed copy."""
    return not _WHEEL.is_dir() and (CHECKOUT / "pyproject.toml").exists()


def checkout() -> Path:
    """The folder of the checkout, to publish in. Raises: `NoCheckoutError`."""
    if not in_checkout():
        raise NoCheckoutError("only a checkout of the project is published in; this is no checkout")
    return CHECKOUT
