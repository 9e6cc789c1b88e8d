"""Options that several commands share."""

from collections.abc import Callable
from typing import Any

from bitnet.runs.tracker import NO_TRACKER

__all__ = ["INTERRUPTED", "Add", "add_sizes", "add_where"]

INTERRUPTED = 130  # as shells say of Ctrl-C

Add = Callable[..., Any]  # the method that adds an option to a command


def add_sizes(add: Add) -> None:
    """What a study or a run is to be: its scale, what differs from it, and the text."""
    add("--scale", default="auto", help="full, miniature or auto: full on a GPU (default: auto)")
    for name, what in (
        ("hidden", "width of the model"),
        ("steps", "updates a run"),
        ("vocabulary", "tokens: 50257 for GPT-2's, fewer for a vocabulary of the text's own"),
    ):
        add(f"--{name}", default=0, help=f"{what} (default: the scale's)")
    add("--corpus", default="wikipedia-sample", help="a name or a path (default: wikipedia-sample)")
    order = "seed of the order of the text; 0: as it is (default: 0)"
    add("--order", default=0, help=order)
    add("--eval-every", default=0, help="updates between evaluations (default: 20 evaluations)")
    add("--probe-positions", default=4096, help="held-out positions looked at (default: 4096)")


def add_where(add: Add) -> None:
    """Where runs are kept and trained."""
    add("--runs-dir", default="", help="where runs are kept (default: as in the notebooks)")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    products = "of the products with the vocabulary: auto, float32 or bfloat16"
    add("--precision", default="auto", help=products)
    tracker = "what runs are logged to besides: none or tensorboard (default: none)"
    add("--tracker", default=NO_TRACKER, help=tracker)
