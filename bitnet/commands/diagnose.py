"""`bitnet diagnose`: what is wrong with a language model of anybody's."""

import argparse
from pathlib import Path

import torch

from bitnet import checks, files
from bitnet.commands.options import Add
from bitnet.diagnosis.diagnose import diagnose
from bitnet.diagnosis.sample import POSITIONS
from bitnet.diagnosis.source import opened
from bitnet.display.diagnosis import new_page, print_diagnosis, write_page
from bitnet.runtime.backend import choose
from bitnet.terminal import say


def add_options(add: Add) -> None:
    """The options of the command."""
    add("model", help="a run's folder, or a folder or a name for Hugging Face transformers")
    add("--text", required=True, help="a UTF-8 text that the model was not trained on")
    add("--out", default="", help="the page, a new file (default: diagnosis.html, -2 and so on)")
    add("--positions", default=POSITIONS, help=f"that are looked at (default: {POSITIONS})")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    add("--download", action="store_true", help="take the model from the hub if it is not here")
    trust = "run Python code that comes with the model; read it first"
    add("--trust-remote-code", action="store_true", help=trust)


def command(options: argparse.Namespace) -> int:
    """Print the diagnosis, and write its page."""
    path = new_page(options.out)
    text = _read(options.text)
    device = choose(options.device).device
    # Eager, since transformers compiles the quantizers of ternary models, which takes a minute.
    with torch.compiler.set_stance("force_eager"):
        found = opened(options.model, options.download, options.trust_remote_code)
        diagnosis = diagnose(
            found.model.to(device), text, found.optimizer, found.words.tokenizer, options.positions
        )
    folder = Path(options.model).expanduser()
    # A page may be sent to others, whom a folder's place on this machine is nothing to.
    name = folder.resolve().name if folder.is_dir() else options.model
    write_page(diagnosis, name, path)
    print_diagnosis(diagnosis, name)
    say(f"\n{path}  all of it, opens offline in a browser")
    return 0


def _read(value: str) -> str:
    path = checks.path("text", value)
    try:
        return files.read_text(path.resolve())
    except (OSError, ValueError) as error:
        problem = f"cannot be read as a UTF-8 text ({checks.first_line(error)})"
        raise checks.ParameterError("text", value, problem) from error
