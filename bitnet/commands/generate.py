"""`bitnet generate`: what a trained model writes after a prompt."""

import argparse

from bitnet.commands.options import Add
from bitnet.runs.trained import load
from bitnet.terminal import say


def add_options(add: Add) -> None:
    """The options of the command."""
    add("run", help="a run's folder, or the beginning of its name in the runs folder")
    add("prompt", help="the text to continue")
    add("--tokens", default=64, help="how many tokens to add (default: 64)")
    add("--temperature", default=0.0, help="0 takes the likeliest token each time (default: 0)")
    top_p = "sample from the likeliest tokens of this total probability (default: 1)"
    add("--top-p", default=1.0, help=top_p)
    add("--seed", default=0, help="of the sampling (default: 0)")


def command(options: argparse.Namespace) -> int:
    """Print the prompt with its continuation."""
    said = load(options.run).generate(
        options.prompt, tokens=options.tokens, temperature=options.temperature,
        top_p=options.top_p, seed=options.seed,
    )  # fmt: skip
    say(options.prompt + said)
    return 0
