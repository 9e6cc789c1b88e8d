"""`bitnet verdict`: print the answer of a finished report."""

import argparse

from bitnet.commands.options import Add
from bitnet.display.printout import print_report


def add_options(add: Add) -> None:
    """The options of the command."""
    add("folder", help="the report's folder; `bitnet verify` prints it at its end")


def command(options: argparse.Namespace) -> int:
    """Print it."""
    print_report(options.folder)
    return 0
