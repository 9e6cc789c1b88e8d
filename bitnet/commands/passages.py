"""`bitnet passages`: how degenerate a trained model's text is, beside what people wrote."""

import argparse
import json
import sys

import pandas as pd
from rich.table import Table

from bitnet.commands.options import Add
from bitnet.display.tables import segments
from bitnet.evaluation.passages import GIVEN, MEASURED, PASSAGES, TOKENS, Passages
from bitnet.runs.trained import TrainedRun, load
from bitnet.terminal import Terminal, say

HEADS = {
    "seq_rep_4": "repeated\n4-grams",
    "distinct_1_within": "distinct-1\nwithin",
    "distinct_2_within": "distinct-2\nwithin",
    "distinct_1": "distinct-1\nof all",
    "distinct_2": "distinct-2\nof all",
    "loops": "end in\na loop",
}


def add_options(add: Add) -> None:
    """The options of the command."""
    add("run", help="a run's folder, or the beginning of its name in the runs folder")
    add("--passages", default=PASSAGES, help=f"held-out openings (default: {PASSAGES})")
    add("--tokens", default=TOKENS, help=f"how many tokens to add to each (default: {TOKENS})")
    add("--seed", default=0, help="of the sampling (default: 0)")
    add("--json", action="store_true", help="print the table as JSON")


def command(options: argparse.Namespace) -> int:
    """Print the table, and one opening with what follows it."""
    trained = load(options.run)
    found = trained.passages(options.passages, options.tokens, options.seed, log=_aside)
    if options.json:
        say(json.dumps(_facts(trained, found), indent=2))
        return 0
    for line in _about(trained, found):
        say(line)
    Terminal().print(_table(found.table()))
    say("In per cent, with 95 % intervals over the passages.\n")
    for name, text in _example(trained, found):
        say(f"{name}: {text}")
    say("\n«…»: tokens of a 4-gram that stood earlier in the same passage.")
    return 0


def _aside(line: str) -> None:
    say(line, sys.stderr)  # so that what is printed is the table alone


def _facts(trained: TrainedRun, found: Passages) -> dict[str, object]:
    config = trained.history.config
    return {
        "run": config.label(), "asked": found.asked, "passages": len(found.openings),
        "opening": GIVEN, "tokens": found.tokens, "trained_length": config.sequence_length,
        "measures": MEASURED, "table": found.table().to_dict("records"),
    }  # fmt: skip


def _about(trained: TrainedRun, found: Passages) -> list[str]:
    """What was done, and what has to be known beside the numbers."""
    config, n = trained.history.config, len(found.openings)
    lines = [
        config.label(), f"{n} held-out openings of {GIVEN} tokens, {found.tokens} added to each."
    ]  # fmt: skip
    if n < found.asked:
        lines.append(f"{found.asked} were asked for; the held-out text has no more.")
    if GIVEN + found.tokens > config.sequence_length:
        within = f"trained at {config.sequence_length} tokens"
        lines.append(f"The model was {within}; from there on it is asked for what it never saw.")
    return lines


def _table(found: pd.DataFrame) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    for head in HEADS.values():
        table.add_column(head, justify="right", no_wrap=True)
    for text, rows in found.groupby("text", sort=False):
        cells = {
            row.measure: f"{100 * row.value:.1f}\n{100 * row.low:.1f}–{100 * row.high:.1f}"
            for row in rows.itertuples()
        }
        table.add_row(str(text), *(cells[name] for name in HEADS))
    return table


def _example(trained: TrainedRun, found: Passages) -> list[tuple[str, str]]:
    """The opening in the middle, and what each writes after it, with repeats marked."""
    middle, vocabulary = len(found.openings) // 2, trained.vocabulary
    opening = vocabulary.decode(found.openings[middle].tolist()).replace("\n", "⏎ ")
    lines = [("opening", opening)]
    for name, ids in found.texts.items():
        parts = segments(ids[middle].tolist(), vocabulary)
        lines.append((name, "".join(f"«{text}»" if again else text for text, again in parts)))
    return lines
