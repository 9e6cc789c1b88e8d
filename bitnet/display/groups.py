"""Runs that one line of a figure stands for: those that differ in a few fields only."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bitnet.runs.history import History

__all__ = ["SEED", "SIZE", "shared_labels", "together"]

# What repeats a run: the weights that it starts from, and the order of the text.
SEED = ("seed", "order")
SIZE = ("hidden", "layers", "heads", "kv_heads")


def shared_labels(histories: Sequence[History], aside: Sequence[str] = SEED) -> list[str]:
    """The label of each run among these with some fields left aside, so that runs share one."""
    if not histories:
        return []
    alike: dict[str, Any] = {name: getattr(histories[0].config, name) for name in aside}
    configs = [replace(history.config, **alike) for history in histories]
    return [config.label(configs) for config in configs]


def together(histories: Sequence[History], aside: Sequence[str] = SEED) -> dict[str, list[History]]:
    """The runs by their shared label, in their order."""
    groups: dict[str, list[History]] = {}
    for label, history in zip(shared_labels(histories, aside), histories, strict=True):
        groups.setdefault(label, []).append(history)
    return groups
