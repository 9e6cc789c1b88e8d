"""`bitnet story`: write the page that tells the committed full runs, step by step."""

import argparse

from bitnet import checks
from bitnet.analysis.results import load_results
from bitnet.commands.options import Add
from bitnet.committed import checkout
from bitnet.display.story import story_page
from bitnet.files import write_whole
from bitnet.terminal import say


def add_options(add: Add) -> None:
    """The options of the command."""
    add("--page", default="", help="the file to write (default: results/story.html)")


def command(options: argparse.Namespace) -> int:
    """Write it."""
    path = checks.path("page", options.page or checkout() / "results" / "story.html")
    if path.exists() and not path.is_file():
        raise checks.ParameterError("page", str(path), "must be a file, or a new name")
    page = story_page(load_results())
    try:
        write_whole(path, page)
    except OSError as error:
        allowed = f"cannot be written ({checks.first_line(error)})"
        raise checks.ParameterError("page", str(path), allowed) from error
    say(f"{path.name}: {path.stat().st_size / 1000:.0f} kB, opens offline in a browser")
    return 0
