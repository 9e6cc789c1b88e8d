"""`make bench`: the trainer against the plain reference, and against what this machine allows.

All rows of a size take turns (`benchmarks/turns.py`), a few steps each, for several rounds; what is
shown are medians. The roof is what a step cannot avoid, the bytes of the optimizer and the
multiplications, at this machine's own copy bandwidth and matrix rate, measured in the same turns.
"""

import argparse
import json
import platform
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from benchmarks import reference
from benchmarks.machine import Machine, timed
from benchmarks.turns import Stepper, Turns, take_turns
from bitnet import Corpus, RunConfig, Trainer, load_corpus
from bitnet.evaluation.evaluate import Evaluation
from bitnet.runtime.backend import choose
from bitnet.runtime.cpu import keep_freed_memory, start_threads
from bitnet.scales import FULL
from bitnet.schedule import evaluation_steps
from bitnet.transformer import BitNetModel

ROWS = {"reference": "(a) reference", "trainer": "(b) trainer", "full precision": "(c) unquantized"}

OnCorpus = Callable[["Size", Corpus, torch.device], Stepper]  # whose step t is update t: its loss


@dataclass(frozen=True)
class Size:
    """One block of the table."""

    hidden: int
    batch_size: int
    vocabulary: int = FULL.vocabulary
    steps: int = 20000  # the run whose first updates are timed

    def run(self, arm: str) -> RunConfig:
        """The run whose updates are timed."""
        sizes = {"vocabulary": self.vocabulary, "batch_size": self.batch_size}
        return RunConfig(arm, hidden=self.hidden, steps=self.steps, **sizes)

    def ids(self, stream: torch.Tensor, t: int) -> torch.Tensor:
        """The tokens [B, S] of update t."""
        return stream[(t - 1) * self.tokens : t * self.tokens].view(self.batch_size, -1)

    @property
    def tokens(self) -> int:
        """Tokens of a batch."""
        return self.batch_size * self.run("l2-0.0").sequence_length


def reference_stepper(size: Size, corpus: Corpus, device: torch.device) -> Stepper:
    """The plain loop, with stock Adam."""
    config = size.run("l2-0.0")
    torch.manual_seed(config.seed)
    model = BitNetModel(config.model(corpus.vocab_size)).to(device)
    p = {name: value.detach().clone().requires_grad_() for name, value in model.named_parameters()}
    optimizer = reference.make_optimizer(p)
    stream = corpus.train.to(device)

    def step(t: int) -> float:
        lr, wd = reference.learning_rate(t, size.steps), reference.weight_decay(t, size.steps)
        sizes = {"layers": 4, "heads": 4, "kv_heads": 4}
        return reference.train_step(p, optimizer, size.ids(stream, t), lr, wd, **sizes)

    return step


def trainer_stepper(arm: str, size: Size, corpus: Corpus, device: torch.device) -> Stepper:
    """The trainer as a run uses it."""
    start_threads()
    backend = choose(str(device))
    trainer = Trainer(size.run(arm), corpus, backend)

    def step(t: int) -> torch.Tensor:
        with backend.in_force():
            return trainer.update(t)

    return step


STEPPERS: dict[str, OnCorpus] = {
    "reference": reference_stepper,
    "trainer": partial(trainer_stepper, "l2-0.0"),
    "full precision": partial(trainer_stepper, "fp-l2-0.0"),
}


def on_corpus(build: OnCorpus, size: Size, device: torch.device) -> Stepper:
    """A row on the default text."""
    return build(size, load_corpus(vocabulary=size.vocabulary), device)


def unavoidable(size: Size) -> tuple[float, float]:
    """Bytes and operations that one float32 step of Adam cannot avoid.

    Bytes: each weight and its two moments are read and written, each gradient of a matrix is
    written and read; that of the embedding has only a batch's rows. Operations: forward, gradient
    by input and gradient by weight of every matrix product; the head sees one token less a
    sequence.
    """
    config = size.run("l2-0.0")
    weights = {name: p.numel() for name, p in BitNetModel(config.model()).named_parameters()}
    embedding, head = weights["token_embeddings.weight"], weights["lm_head.weight"]
    matrices = sum(n for name, n in weights.items() if n > 10 * config.hidden) - embedding - head
    moved = 24 * sum(weights.values()) + 8 * (matrices + head)
    predicted = size.tokens - size.batch_size
    return moved, 6 * (matrices * size.tokens + head * predicted)


def benchmark(size: Size, device: torch.device, rounds: int, steps: int) -> dict[str, Any]:
    """All rows of one size, in turns."""
    machine = Machine(device)
    builds = {row: partial(on_corpus, build, size) for row, build in STEPPERS.items()}
    turns = take_turns(builds, device, rounds, steps, between=machine.take_turn)
    assert not turns.absent, turns.absent
    return result_of(size, turns, machine)


def result_of(size: Size, turns: Turns, machine: Machine) -> dict[str, Any]:
    """One block of the table and of the file: medians, ratios, and what they rest on."""
    moved, operations = unavoidable(size)
    roof = moved / machine.bandwidth + operations / machine.matrix_rate
    seconds = turns.medians
    return {
        "hidden": size.hidden,
        "batch_size": size.batch_size,
        "tokens": size.tokens,
        "seconds": seconds | {"roof": roof},
        "peak_bytes": turns.peak_bytes,
        "raw_seconds": turns.seconds,
        "copy_bytes_per_second": machine.bandwidth,
        "matrix_operations_per_second": machine.matrix_rate,
        "unavoidable_bytes": moved,
        "unavoidable_operations": operations,
        "ratios": {
            "b/a": seconds["reference"] / seconds["trainer"],
            "c/b": seconds["trainer"] / seconds["full precision"],
            "b/d": roof / seconds["trainer"],
            "d/a": seconds["reference"] / roof,
        },
    }


def evaluation_share(
    config: RunConfig, corpus: Corpus, device: torch.device, step_seconds: float
) -> dict[str, float]:
    """What evaluating at the run's cadence adds, as a share of its training time."""
    trainer, evaluation = Trainer(config, corpus, choose(str(device))), Evaluation(config, corpus)
    decay = trainer.recipe.stage1_decay
    keep_freed_memory()
    evaluation(trainer.model, decay)
    seconds = statistics.median(
        timed(device, lambda: evaluation(trainer.model, decay), 1) for _ in range(5)
    )
    count = len(evaluation_steps(config.steps, config.eval_every))
    share = count * seconds / (config.steps * step_seconds)
    return {"seconds": seconds, "count": count, "share": share}


def table_of(results: list[dict[str, Any]]) -> Table:
    """The blocks of all sizes as a table for the terminal."""
    table = Table(title="Training speed, medians in turns", title_justify="left")
    for column in ("size", "row", "ms/step", "steps/s", "tok/s", "x (a)", "of (d)", "MB"):
        table.add_column(column, justify="left" if column in ("size", "row") else "right")
    for r in results:
        for row, name in (ROWS | {"roof": "(d) roof"}).items():
            s = r["seconds"][row]
            table.add_row(
                f"{r['hidden']}, {r['batch_size']}x32",
                name,
                f"{1000 * s:.1f}",
                f"{1 / s:.1f}",
                f"{r['tokens'] / s:.0f}",
                f"{r['seconds']['reference'] / s:.2f}",
                f"{r['seconds']['roof'] / s:.0%}",
                f"{r['peak_bytes'][row] / 2**20:.0f}" if row in r["peak_bytes"] else "",
            )
        table.add_section()
    return table


def lines_of(facts: dict[str, Any]) -> list[str]:
    """What stands below the table."""
    lines = []
    for r in facts["sizes"]:
        ratios = ", ".join(f"{name} {value:.2f}" for name, value in r["ratios"].items())
        copied = f"copy {r['copy_bytes_per_second'] / 1e9:.0f} GB/s"
        multiplied = f"matrix {r['matrix_operations_per_second'] / 1e9:.0f} GFLOP/s"
        lines.append(
            f"hidden {r['hidden']}, {r['tokens']} tokens: {ratios}; {copied}, {multiplied}"
        )
    if e := facts.get("evaluation"):
        of_training = f"in 20 000 steps at hidden 256, {e['share']:.1%} of training"
        lines.append(f"evaluation: {e['count']} of {e['seconds']:.2f} s {of_training}")
    return lines


def main() -> None:
    """Measure all sizes, print the table and write the file."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=6, help="steps a turn")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--hidden", type=int, nargs="*", default=[128, 256, 512])
    parser.add_argument("--output", default="runs/bench.json")
    options = parser.parse_args()
    backend, console = choose(options.device), Console()
    device = backend.device
    corpus = load_corpus()
    sizes = [Size(hidden, 4) for hidden in options.hidden] + [Size(256, 16)]
    results = []
    for size in sizes:
        with console.status(f"hidden {size.hidden}, {size.batch_size}x32 tokens"):
            results.append(benchmark(size, device, options.rounds, options.steps))
    facts = {
        "device": backend.facts(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "sizes": results,
    }
    base = next((r for r in results if (r["hidden"], r["batch_size"]) == (256, 4)), None)
    if base:
        config, seconds = Size(256, 4).run("l2-0.0"), base["seconds"]["trainer"]
        facts["evaluation"] = evaluation_share(config, corpus, device, seconds)
    console.print(table_of(results))
    for line in lines_of(facts):
        console.print(line)
    path = Path(options.output)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(facts, indent=1) + "\n")
    console.print(f"{backend.facts()}; all of it: {path}")


if __name__ == "__main__":
    main()
