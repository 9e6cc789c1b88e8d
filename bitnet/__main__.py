"""`python -m bitnet verdict FOLDER`: the verdict of a report, in the terminal."""

import argparse
import sys

from bitnet.checks import ParameterError
from bitnet.history import HistoryError
from bitnet.report import print_report


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 1 and one line on standard error where it cannot."""
    parser = argparse.ArgumentParser(prog="python -m bitnet", description="How a BitNet b1.58 training run collapses.")
    commands = parser.add_subparsers(dest="command", required=True)
    verdict = commands.add_parser("verdict", help="print the verdict of a finished report")
    verdict.add_argument("folder", help="the report's folder, such as runs/quick")
    options = parser.parse_args(arguments)
    try:
        print_report(options.folder)
    except (HistoryError, ParameterError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
