"""A text and a finished study on it, for the commands that read what is there."""

import pytest

from bitnet.__main__ import main
from tests.support.text import write_lines

SIZES = ("--hidden", "16", "--steps", "16", "--vocabulary", "300", "--device", "cpu")


@pytest.fixture(scope="session")
def lines(tmp_path_factory):
    """A text in lines, long enough for a vocabulary of its own."""
    return write_lines(tmp_path_factory.mktemp("text") / "lines.txt")


@pytest.fixture(scope="session")
def study(lines, tmp_path_factory):
    """A finished study: its exit code, the folder of its runs, and that of its report."""
    folder = tmp_path_factory.mktemp("study")
    runs, report = folder / "runs", folder / "report"
    where = ("--corpus", str(lines), "--runs-dir", str(runs), "--report-dir", str(report))
    code = main(["verify", *SIZES, *where, "--probe-positions", "62"])
    return code, runs, report
