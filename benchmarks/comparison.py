"""`make bench-peers`: training and decoding beside the peers, in turns, in one run.

What it measures goes to a file; `--publish` puts the tables of all committed files into
docs/performance.md instead.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from benchmarks import decoding
from benchmarks.peers import LEFT_OUT, OURS, PACKAGES, PEERS
from benchmarks.peers_page import publish
from benchmarks.speed import Size, on_corpus
from benchmarks.turns import WARMUP, Turns, take_turns
from bitnet.files import write_text
from bitnet.runtime.backend import choose
from bitnet.scales import FULL, MINIATURE

SIZES = (
    Size(MINIATURE.hidden, MINIATURE.batch_size, MINIATURE.vocabulary),
    Size(256, FULL.batch_size),
    Size(512, FULL.batch_size),
)
BATCHES = (1, 32)


def training(size: Size, device: torch.device, rounds: int, steps: int) -> dict[str, Any]:
    """The peers of one size, in turns: a block of the file.

    The schedule is that of a run twice as long as what is timed, so that its rate has risen.
    """
    size = replace(size, steps=2 * (WARMUP + rounds * steps))
    rows = {row: partial(on_corpus, build, size) for row, build in PEERS.items()}
    return result_of(size, take_turns(rows, device, rounds, steps))


def result_of(size: Size, turns: Turns) -> dict[str, Any]:
    """One block of the file: medians, ratios to the trainer, and what they rest on."""
    seconds = turns.medians
    return {
        "hidden": size.hidden,
        "vocabulary": size.vocabulary,
        "batch_size": size.batch_size,
        "tokens": size.tokens,
        "seconds": seconds,
        "times_ours": {row: s / seconds[OURS] for row, s in seconds.items()},
        "first_seconds": turns.first_seconds,
        "peak_bytes": turns.peak_bytes,
        "losses": {row: [turns.began[row], turns.ended[row]] for row in seconds},
        "raw_seconds": turns.seconds,
        "absent": turns.absent | LEFT_OUT,
    }


def generation(
    size: Size, device: torch.device, rounds: int, steps: int, updates: int
) -> list[dict[str, Any]]:
    """Decoding at one size: a block for each batch."""
    found = []
    with tempfile.TemporaryDirectory() as name:
        decoding.prepare(Path(name), size, updates, device)
        for batch in BATCHES:
            turns = take_turns(decoding.builds(Path(name), batch), device, rounds, steps, warmup=2)
            found.append(decoding.result_of(size, batch, turns))
    return found


def versions() -> dict[str, str]:
    """The packages of the peers that are installed."""
    found: dict[str, str] = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def measured(options: argparse.Namespace, console: Console) -> Iterator[Mapping[str, Any]]:
    """What the file holds, anew after each size: one that fails takes away no other."""
    backend = choose(options.device)
    sizes = [size for size in SIZES if size.hidden in options.hidden]
    facts: dict[str, Any] = {
        "device": backend.facts(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "packages": versions(),
        "training": [],
        "decoding": [],
    }
    times = options.rounds, options.steps
    for size in sizes:
        with console.status(f"training, hidden {size.hidden}"):
            facts["training"].append(training(size, backend.device, *times))
        with console.status(f"decoding, hidden {size.hidden}"):
            facts["decoding"] += generation(size, backend.device, *times, options.updates)
        yield facts


def main() -> None:
    """Measure all sizes into the file; or publish what is committed."""
    parser = argparse.ArgumentParser(prog="make bench-peers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=6, help="steps a turn")
    parser.add_argument("--updates", type=int, default=200, help="of the model that decodes")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--hidden", type=int, nargs="*", default=[s.hidden for s in SIZES])
    parser.add_argument("--output", default="runs/bench-peers.json")
    parser.add_argument("--publish", action="store_true", help="rewrite docs/performance.md")
    options, console = parser.parse_args(), Console()
    if options.publish:
        console.print(f"docs/performance.md: {'rewritten' if publish() else 'nothing new'}")
        return
    path = Path(options.output)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:  # what is compiled here is compiled anew
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder
        for facts in measured(options, console):
            write_text(path, json.dumps(facts, indent=1) + "\n")
            sizes = ", ".join(str(block["hidden"]) for block in facts["training"])
            console.print(f"hidden {sizes}: {path}")


if __name__ == "__main__":
    main()
