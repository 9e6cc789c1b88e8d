"""`make bench`: the trainer against the plain reference and against what this machine could do at best.

Each row is a process of its own, so that its peak memory is its own. All rows of a size are alive at once and take
turns, a few steps each, for several rounds; what is shown are medians. The roof is what a step cannot avoid, the bytes
of the optimizer and the multiplications, at this machine's own copy bandwidth and matrix rate, measured in the same turns.
"""

import argparse
import json
import multiprocessing
import platform
import resource
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from benchmarks import reference
from bitnet import Corpus, RunConfig, Trainer, load_corpus, measure
from bitnet.backend import choose, keep_freed_memory
from bitnet.product import product
from bitnet.schedule import evaluation_steps
from bitnet.transformer import BitNetModel

WARMUP = 5  # untimed steps of each row: allocations, on a GPU the capture of the graph
MATRIX = {"cpu": 2048, "cuda": 8192}
COPY_BYTES = {"cpu": 2**28, "cuda": 2**30}
ROWS = {"reference": "(a) reference", "trainer": "(b) trainer", "full precision": "(c) unquantized"}


@dataclass(frozen=True)
class Size:
    """One block of the table."""

    hidden: int
    batch_size: int
    steps: int = 20000  # the run whose first updates are timed

    def run(self, arm: str) -> RunConfig:
        return RunConfig(arm, hidden=self.hidden, steps=self.steps, batch_size=self.batch_size)

    @property
    def tokens(self) -> int:
        return self.batch_size * self.run("l2-0.0").sequence_length


def reference_stepper(size: Size, corpus: Corpus, device: torch.device):
    """The plain loop, with stock Adam."""
    config = size.run("l2-0.0")
    torch.manual_seed(0)
    model = BitNetModel(config.model()).to(device)
    p = {name: value.detach().clone().requires_grad_() for name, value in model.named_parameters()}
    optimizer = reference.make_optimizer(p)
    stream = corpus.train.to(device)

    def step(t: int) -> None:
        ids = stream[(t - 1) * size.tokens : t * size.tokens].view(size.batch_size, -1)
        lr, wd = reference.learning_rate(t, size.steps), reference.weight_decay(t, size.steps)
        reference.train_step(p, optimizer, ids, lr, wd, layers=4, heads=4, kv_heads=4)

    return step


def trainer_stepper(arm: str):
    """The trainer as a user gets it."""

    def build(size: Size, corpus: Corpus, device: torch.device):
        backend = choose(str(device))
        trainer = Trainer(size.run(arm), corpus, backend)

        def step(t: int) -> None:
            with backend.in_force():
                trainer.update(t)

        return step

    return build


STEPPERS = {
    "reference": reference_stepper,
    "trainer": trainer_stepper("l2-0.0"),
    "full precision": trainer_stepper("fp-l2-0.0"),
}


def wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def timed(device: torch.device, work, times: int) -> float:
    """Seconds of one of `times` calls."""
    wait_for(device)
    start = time.perf_counter()
    for _ in range(times):
        work()
    wait_for(device)
    return (time.perf_counter() - start) / times


def serve(pipe, row: str, size: Size, device_name: str) -> None:
    """A row's process: warm up, then time `n` steps each time it is asked, then say how much memory it took."""
    device, corpus = choose(device_name).device, load_corpus()
    step = STEPPERS[row](size, corpus, device)
    count = iter(range(1, 10**9))
    for _ in range(WARMUP):
        step(next(count))
    wait_for(device)
    pipe.send("ready")
    while (n := pipe.recv()) > 0:
        pipe.send(timed(device, lambda: step(next(count)), n))
    peak = (
        torch.cuda.max_memory_allocated(device)
        if device.type == "cuda"
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    )
    pipe.send(peak)


class Machine:
    """This machine's copy bandwidth (bytes read and written a second) and float32 matrix rate (operations a second).

    Both are what the trainer has at hand: products take the faster road.
    """

    def __init__(self, device: torch.device):
        self.device = device
        n = MATRIX[device.type]
        self.a, self.b = torch.randn(n, n, device=device), torch.randn(n, n, device=device)
        self.source = torch.zeros(COPY_BYTES[device.type] // 4, device=device)
        self.target = torch.ones_like(self.source)
        self.copies: list[float] = []
        self.products: list[float] = []

    def take_turn(self) -> None:
        copy = timed(self.device, lambda: self.target.copy_(self.source), 3)
        multiplication = timed(self.device, lambda: product(self.a, self.b), 3)
        self.copies.append(2 * self.source.numel() * 4 / copy)
        self.products.append(2 * len(self.a) ** 3 / multiplication)

    @property
    def bandwidth(self) -> float:
        return statistics.median(self.copies)

    @property
    def matrix_rate(self) -> float:
        return statistics.median(self.products)


def unavoidable(size: Size) -> tuple[float, float]:
    """Bytes and operations that one float32 step of Adam cannot avoid.

    Bytes: each weight and its two moments are read and written, each gradient of a matrix is written and read; that of
    the embedding has only a batch's rows. Operations: forward, gradient by input and gradient by weight of every matrix
    product; the head sees one token less a sequence.
    """
    config = size.run("l2-0.0")
    weights = {name: p.numel() for name, p in BitNetModel(config.model()).named_parameters()}
    embedding, head = weights["token_embeddings.weight"], weights["lm_head.weight"]
    matrices = sum(n for name, n in weights.items() if n > 10 * config.hidden) - embedding - head
    moved = 24 * sum(weights.values()) + 8 * (matrices + head)
    predicted = size.tokens - size.batch_size
    return moved, 6 * (matrices * size.tokens + head * predicted)


def benchmark(size: Size, device: torch.device, rounds: int, steps: int, console: Console) -> dict:
    """All rows of one size, in turns."""
    context = multiprocessing.get_context("spawn")
    rows: dict[str, list[float]] = {row: [] for row in ROWS}
    pipes, processes = {}, {}
    for row in ROWS:
        pipes[row], theirs = context.Pipe()
        processes[row] = context.Process(target=serve, args=(theirs, row, size, str(device)), daemon=True)
        processes[row].start()
        assert pipes[row].recv() == "ready"
    machine = Machine(device)
    with console.status(f"hidden {size.hidden}, {size.batch_size}x32 tokens"):
        for _ in range(rounds):
            machine.take_turn()
            for row, pipe in pipes.items():
                pipe.send(steps)
                rows[row].append(pipe.recv())
    memory = {}
    for row, pipe in pipes.items():
        pipe.send(0)
        memory[row] = pipe.recv()
        processes[row].join()
    moved, operations = unavoidable(size)
    roof = moved / machine.bandwidth + operations / machine.matrix_rate
    seconds = {row: statistics.median(times) for row, times in rows.items()}
    return {
        "hidden": size.hidden, "batch_size": size.batch_size, "tokens": size.tokens,
        "seconds": seconds | {"roof": roof}, "peak_bytes": memory, "raw_seconds": rows,
        "copy_bytes_per_second": machine.bandwidth, "matrix_operations_per_second": machine.matrix_rate,
        "unavoidable_bytes": moved, "unavoidable_operations": operations,
        "ratios": {
            "b/a": seconds["reference"] / seconds["trainer"],
            "c/b": seconds["trainer"] / seconds["full precision"],
            "b/d": roof / seconds["trainer"],
            "d/a": seconds["reference"] / roof,
        },
    }  # fmt: skip


def evaluation_share(device: torch.device, step_seconds: float) -> dict:
    """What evaluating at the default cadence adds to a 20 000-step run at hidden 256, as a share of its training time."""
    config = Size(256, 4).run("l2-0.0")
    corpus = load_corpus()
    trainer = Trainer(config, corpus, choose(str(device)))
    keep_freed_memory()
    measure(trainer.model, trainer.probe)
    seconds = statistics.median(timed(device, lambda: measure(trainer.model, trainer.probe), 1) for _ in range(5))
    count = len(evaluation_steps(config.steps, config.eval_every))
    return {"seconds": seconds, "count": count, "share": count * seconds / (config.steps * step_seconds)}


def table_of(results: list[dict]) -> Table:
    table = Table(title="Training speed, medians in turns", title_justify="left")
    for column in ("size", "row", "ms/step", "steps/s", "tok/s", "x (a)", "of (d)", "MB"):
        table.add_column(column, justify="left" if column in ("size", "row") else "right")
    for r in results:
        for row, name in (ROWS | {"roof": "(d) roof"}).items():
            s = r["seconds"][row]
            peak = f"{r['peak_bytes'][row] / 2**20:.0f}" if row in r["peak_bytes"] else ""
            table.add_row(
                f"{r['hidden']}, {r['batch_size']}x32", name, f"{1000 * s:.1f}", f"{1 / s:.1f}", f"{r['tokens'] / s:.0f}",
                f"{r['seconds']['reference'] / s:.2f}", f"{r['seconds']['roof'] / s:.0%}", peak,
            )  # fmt: skip
        table.add_section()
    return table


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=6, help="steps a turn")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--hidden", type=int, nargs="*", default=[128, 256, 512])
    parser.add_argument("--output", default="runs/bench.json")
    options = parser.parse_args()
    backend, console = choose(options.device), Console()
    device = backend.device
    load_corpus()
    sizes = [Size(hidden, 4) for hidden in options.hidden] + [Size(256, 16)]
    results = [benchmark(size, device, options.rounds, options.steps, console) for size in sizes]
    facts = {"device": backend.facts(), "torch": torch.__version__, "python": platform.python_version(), "sizes": results}
    base = next((r for r in results if (r["hidden"], r["batch_size"]) == (256, 4)), None)
    if base:
        facts["evaluation"] = evaluation_share(device, base["seconds"]["trainer"])
    console.print(table_of(results))
    for r in results:
        ratios = ", ".join(f"{name} {value:.2f}" for name, value in r["ratios"].items())
        console.print(
            f"hidden {r['hidden']}, {r['tokens']} tokens: {ratios}; copy {r['copy_bytes_per_second'] / 1e9:.0f} GB/s, "
            f"matrix {r['matrix_operations_per_second'] / 1e9:.0f} GFLOP/s"
        )
    if base:
        e = facts["evaluation"]
        console.print(
            f"evaluation: {e['count']} of {e['seconds']:.2f} s in 20 000 steps at hidden 256, {e['share']:.1%} of training"
        )
    path = Path(options.output)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(facts, indent=1) + "\n")
    console.print(f"{backend.facts()}; all of it: {path}")


if __name__ == "__main__":
    sys.exit(main())
