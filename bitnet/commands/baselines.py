"""`bitnet baselines`: what tables of words predict of a text, to read a model's loss against."""

import argparse
import json
import sys

from rich.table import Table

from bitnet.analysis.baselines import BASELINES, FILE, baselines, in_bits, of_the_committed
from bitnet.commands.options import Add
from bitnet.committed import checkout
from bitnet.config import GPT2_VOCABULARY
from bitnet.data import load_corpus
from bitnet.evaluation.measures import number
from bitnet.terminal import Terminal, say


def add_options(add: Add) -> None:
    """The options of the command."""
    text = "a name or a path (default: wikipedia-sample)"
    add("text", nargs="?", default="wikipedia-sample", metavar="TEXT", help=text)
    tokens = "tokens: 50257 for GPT-2's (default), fewer for a vocabulary of the text's own"
    add("--vocabulary", default=GPT2_VOCABULARY, help=tokens)
    add("--probe-positions", default=4096, help="held-out positions looked at (default: 4096)")
    add("--sequence-length", default=32, help="tokens of a window (default: 32)")
    add("--json", action="store_true", help="print it as JSON")
    publish = "write those of the committed runs to results/baselines.json instead"
    add("--publish", action="store_true", help=publish)


def command(options: argparse.Namespace) -> int:
    """Print them, or publish."""
    if options.publish:
        checkout()
        FILE.write_text(f"{json.dumps(of_the_committed(), indent=1)}\n", encoding="utf-8")
        say(f"{FILE.name}: written")
        return 0
    corpus = load_corpus(options.text, options.vocabulary, log=_log)
    found = baselines(corpus, options.probe_positions, options.sequence_length)
    losses = {name: float(found[name]) for name in (*BASELINES, "bytes_a_token")}
    bits = in_bits(losses)
    if options.json:
        say(json.dumps({**found, "bits_per_byte": bits}, indent=1))
        return 0
    console = Terminal()
    console.print(
        f"{corpus.name}, vocabulary {number(corpus.vocab_size)}: "
        f"{number(float(found['train_tokens']))} training tokens, "
        f"{number(float(found['positions']))} held-out positions, "
        f"{number(losses['bytes_a_token'], 2)} bytes a token",
        soft_wrap=True,
    )
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("loss")
    table.add_column("nats a token", justify="right")
    table.add_column("bits a byte", justify="right")
    for name, whose in BASELINES.items():
        table.add_row(whose, number(losses[name], 3), number(bits[name], 3))
    console.print(table)
    return 0


def _log(line: str) -> None:
    """What is said by the way, beside the output, which may be read by a program."""
    say(line, sys.stderr)
