"""`python -m benchmarks.watch`: what a `bitnet.Watch` costs at its default cadence.

An update and a look take turns for several rounds; what is shown are medians, and the look as a
share of the updates between two of them.
"""

import argparse
import json
import statistics
from pathlib import Path

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table

import bitnet
from benchmarks.machine import timed
from benchmarks.models import PlainGPT
from bitnet.diagnosis.watch import EVERY, WATCHED

# Hidden size, layers, vocabulary, and the batch of an update: windows of so many tokens.
SIZES = (
    (64, 2, 4096, 8, 32), (64, 2, 4096, 32, 32), (256, 4, 4096, 8, 32), (256, 4, 4096, 32, 64),
    (256, 4, 50257, 8, 32), (256, 4, 50257, 32, 64),
)  # fmt: skip


def main() -> None:
    """Measure every size, print the table and write it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.watch", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", default="runs/bench-watch.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    table = Table("hidden", "vocabulary", "batch", "update, ms", "look, ms", "cost")
    for hidden, layers, size, batch, length in SIZES:
        model = PlainGPT(hidden, layers, size=size)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        ids = torch.randint(size, (max(8192, batch * length),))
        watch = bitnet.Watch(model, ids, optimizer, every=1, log=lambda line: None)
        windows = ids[: batch * length].view(batch, length)

        def update(model=model, optimizer=optimizer, windows=windows) -> None:
            logits = model(windows[:, :-1]).flatten(0, 1)
            optimizer.zero_grad()
            F.cross_entropy(logits, windows[:, 1:].flatten()).backward()
            optimizer.step()

        def look(watch=watch) -> None:
            watch(1)

        times: dict[str, list[float]] = {"update": [], "look": []}
        for _ in range(options.rounds + 1):
            times["update"].append(timed(ids.device, update, 3))
            times["look"].append(timed(ids.device, look, 1))
        # The first round is a warm-up.
        ms = {name: 1000 * statistics.median(found[1:]) for name, found in times.items()}
        share = ms["look"] / (EVERY * ms["update"])
        row = {"hidden": hidden, "layers": layers, "vocabulary": size, "batch": f"{batch}x{length}"}
        rows.append(row | {name: round(value, 1) for name, value in ms.items()} | {"share": share})
        cells = (f"{ms['update']:.1f}", f"{ms['look']:.1f}", f"{share:.2%}")
        table.add_row(f"{hidden}", f"{size}", f"{batch}x{length}", *cells)
    Console().print(table)
    facts = {"every": EVERY, "positions": WATCHED, "torch": torch.__version__, "sizes": rows}
    path = Path(options.output)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(facts, indent=1) + "\n")
    Console().print(f"every {EVERY} updates, {WATCHED} positions, torch {torch.__version__}")


if __name__ == "__main__":
    main()
