"""`bitnet story`: write the page that tells the committed full runs, step by step."""

import argparse

from bitnet import checks
from bitnet.analysis.results import load_results
from bitnet.commands.options import Add
from bitnet.committed import checkout
from bitnet.display.story import story_page
from bitnet.terminal import say


def add_options(add: Add) -> None:
    """The options of the command."""
    add("--page", default="", help="the file to write (default: results/story.html)")


def command(options: argparse.Namespace) -> int:
    """Write it."""
    path = checks.path("page", options.page or checkout() / "results" / "story.html")
    path.write_text(story_page(load_results()), encoding="utf-8", newline="\n")
    say(f"{path.name}: {path.stat().st_size / 1000:.0f} kB, opens offline in a browser")
    return 0
