"""`bitnet verdict`: print the answer of a finished report, or of a file that was sent back."""

import argparse

from bitnet.checks import path
from bitnet.commands.options import Add
from bitnet.display.printout import print_bundle, print_report


def add_options(add: Add) -> None:
    """The options of the command."""
    add("report", help="the folder of a report, or the file of `bitnet verify-gpu`")


def command(options: argparse.Namespace) -> int:
    """Print it."""
    report = path("report", options.report)
    read = print_bundle if report.is_file() else print_report
    read(report)
    return 0
