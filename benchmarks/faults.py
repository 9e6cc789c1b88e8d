"""`python -m benchmarks.faults`: how often `bitnet.diagnose` names a fault, and how often falsely.

Small models of the shape of GPT-2 are trained with and without faults, over several seeds, and each
is diagnosed with its optimizer. The thresholds of the findings were chosen on seeds 100 to 103.
"""

import argparse
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

import bitnet
from benchmarks.models import PlainGPT, gpt2, token_text, train

TRAINED, POSITIONS = 30_000, 1024  # tokens of the text; positions that are looked at


def mistied() -> nn.Module:
    """A GPT-2 whose configuration says that it is not tied, and that is."""
    model = gpt2(tied=False)
    model.lm_head.weight = model.transformer.wte.weight
    return model


def kill_rows(model: PlainGPT) -> None:
    """Set a tenth of the head's rows to zero."""
    with torch.no_grad():
        model.head.weight[10:50] = 0


Make = Callable[[], nn.Module]
Optimize = Callable[[list[nn.Parameter]], Optimizer]
CASES: dict[str, tuple[str, Make, Optimize]] = {
    "AdamW 0.001": ("", PlainGPT, lambda p: AdamW(p, lr=1e-3, weight_decay=0.1)),
    "AdamW 0.003": ("", PlainGPT, lambda p: AdamW(p, lr=3e-3, weight_decay=0.1)),
    "AdamW 0.01": ("", PlainGPT, lambda p: AdamW(p, lr=1e-2, weight_decay=0.1)),
    "AdamW 0.03": ("", PlainGPT, lambda p: AdamW(p, lr=0.03)),
    "AdamW 0.003, wider": ("", lambda: PlainGPT(64, 2), lambda p: AdamW(p, lr=3e-3)),
    "AdamW 0.003, GPT-2 tied": ("", gpt2, lambda p: AdamW(p, lr=3e-3)),
    "Adam 0.003, tied": ("", lambda: PlainGPT(tied=True), lambda p: Adam(p, lr=3e-3)),
    "SGD 0.1": ("", PlainGPT, lambda p: SGD(p, lr=0.1, momentum=0.9, weight_decay=1e-4)),
    "Adam, decay 0.1": (
        "coupled decay", PlainGPT, lambda p: Adam(p, lr=3e-3, weight_decay=0.1),
    ),
    "RMSprop, decay 0.01": (
        "coupled decay", PlainGPT, lambda p: RMSprop(p, lr=1e-3, weight_decay=0.01),
    ),
    "AdamW 0.1": ("rate too high", PlainGPT, lambda p: AdamW(p, lr=0.1)),
    "AdamW 0.3": ("rate too high", PlainGPT, lambda p: AdamW(p, lr=0.3)),
    "AdamW 0.1, GPT-2": ("rate too high", gpt2, lambda p: AdamW(p, lr=0.1)),
    "AdamW 0.3, GPT-2": ("rate too high", gpt2, lambda p: AdamW(p, lr=0.3)),
    "SGD 8": ("worse than guessing", PlainGPT, lambda p: SGD(p, lr=8.0, momentum=0.9)),
    "rows set to zero": ("dead rows", PlainGPT, lambda p: AdamW(p, lr=3e-3)),
    "GPT-2 tied by hand": ("head tied", mistied, lambda p: AdamW(p, lr=3e-3)),
    "tied, embedding of 1": (
        "head tied", lambda: PlainGPT(tied=True, std=0), lambda p: AdamW(p, lr=3e-3),
    ),
}  # fmt: skip


def diagnosed(name: str, seed: int) -> bitnet.Diagnosis | None:
    """The diagnosis of one of the `CASES` after its training; None if it is refused as diverged."""
    fault, make, optimize = CASES[name]
    torch.manual_seed(seed)
    model, ids = make(), token_text()
    optimizer = optimize(list(model.parameters()))

    def callback(step: int) -> None:
        if fault == "dead rows":
            kill_rows(model)

    train(model, optimizer, ids[:TRAINED], seed=seed, callback=callback)
    try:
        return bitnet.diagnose(model, ids[TRAINED:], optimizer, positions=POSITIONS)
    except bitnet.ParameterError:
        return None


def main() -> None:
    """Train and diagnose all of them, print how often each finding came, and write it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=200)
    parser.add_argument("--output", default="runs/bench-faults.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    table, rows = Table("model", "fault", "named", "all warnings", "loss"), []
    for name, (fault, _, _) in CASES.items():
        seeds = range(options.first, options.first + options.seeds)
        found = [diagnosed(name, seed) for seed in seeds]
        counts = Counter(f.subject for d in found if d is not None for f in d.warnings)
        losses = [round(d.measures["val_loss"], 2) for d in found if d is not None]
        rows.append({
            "model": name, "fault": fault, "seeds": list(seeds), "warnings": dict(counts),
            "losses": losses, "refused": found.count(None),
        })  # fmt: skip
        said = ", ".join(f"{subject} {count}" for subject, count in counts.items())
        named = f"{counts[fault]} of {len(seeds)}" if fault else ""
        table.add_row(name, fault, named, said, " ".join(map(str, losses)))
    Console(width=140).print(table)
    path = Path(options.output)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"torch": torch.__version__, "cases": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
