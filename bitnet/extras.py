"""The name that is installed, and its extras: packages that only a part of the project needs."""

__all__ = ["DISTRIBUTION", "remedy"]

DISTRIBUTION = "bitnet-collapse"  # what is imported is `bitnet`


def remedy(extra: str) -> str:
    """What to run where a package of that extra is missing."""
    return f"install it with: pip install '{DISTRIBUTION}[{extra}]'"
