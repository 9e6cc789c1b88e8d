"""`bitnet`: the command in the terminal, also `python -m bitnet`."""

import argparse
import signal
import sys
from importlib import import_module
from importlib.metadata import version

from bitnet.checks import OneLineError
from bitnet.commands.options import INTERRUPTED
from bitnet.extras import DISTRIBUTION
from bitnet.terminal import say

COMMANDS = {
    "verify": "train the arms side by side, judge them at this scale, write a report",
    "verify-gpu": "train what the brief asks for on a GPU, and leave one file to send back",
    "run": "train one run, or resume it",
    "runs": "list what is in a runs folder, a line a run",
    "verdict": "print the answer of a finished report",
    "sweep": "train every run of a grid file, several at once",
    "generate": "let a trained model continue a prompt",
    "passages": "measure what a trained model writes, beside the text itself",
    "diagnose": "say what is wrong with any causal language model, by its predictions on a text",
    "export": "write a trained model as a folder that Hugging Face transformers loads",
    "baselines": "print the losses of n-gram models on a text, to read a model's loss against",
    "story": "write the page that tells the committed runs, step by step",
    "evidence": "print what the committed runs of a plan say",
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 1 and one line on standard error where it cannot, 130 if it was stopped."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        options = _parser(words).parse_args(words)
        done = options.command(options)
    except KeyboardInterrupt:
        say("Stopped. The same command resumes from the last checkpoints.", sys.stderr)
        return INTERRUPTED
    except OneLineError as error:
        done = [f"{type(error).__name__}: {error}"]
    if isinstance(done, int):
        return done
    for line in done:
        say(line, sys.stderr)
    return 1 if done else 0


def _parser(words: list[str]) -> argparse.ArgumentParser:
    """Of the commands only the one that is asked for is imported: some need much."""
    parser = argparse.ArgumentParser(
        prog="bitnet", description="How a BitNet b1.58 training run collapses, and what cures it."
    )
    parser.add_argument("--version", action="version", version=f"bitnet {version(DISTRIBUTION)}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, text in COMMANDS.items():
        added = commands.add_parser(name, help=text, description=text)
        if name == next(iter(words), None):
            module = import_module(f"bitnet.commands.{name.replace('-', '_')}")
            module.add_options(added.add_argument)
            added.set_defaults(command=module.command)
    return parser


def script() -> None:
    """The entry point of the console script and of `python -m bitnet`.

    A scheduler such as Slurm sends SIGTERM before it kills; a shell's background jobs ignore
    Ctrl-C.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _sigterm_as_ctrl_c)
    sys.exit(main())


def _sigterm_as_ctrl_c(number: int, _: object) -> None:
    signal.signal(number, signal.SIG_IGN)  # a second one would hit the writing of the last words
    signal.raise_signal(signal.SIGINT)


if __name__ == "__main__":
    script()
