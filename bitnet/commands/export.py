"""`bitnet export`: a trained model as a folder for Hugging Face transformers."""

import argparse

from bitnet.commands.options import Add
from bitnet.hf.export import export


def add_options(add: Add) -> None:
    """The options of the command."""
    add("run", help="a run's folder, or the beginning of its name in the runs folder")
    add("out", help="a new folder, or an empty one")
    add("--packed", action="store_true", help="keep ternary weights in 2 bits each")


def command(options: argparse.Namespace) -> int:
    """Write it, and say how far it agrees."""
    export(options.run, options.out, options.packed)
    return 0
