"""`bitnet verify-gpu`: what the brief asks for on a GPU, and one file to send back."""

import argparse
import platform
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from itertools import groupby
from pathlib import Path
from typing import Any

import torch

from bitnet import checks
from bitnet.analysis.counts import checklist
from bitnet.analysis.preflight import Finding, preflight
from bitnet.arms import FIX
from bitnet.commands.options import Add, add_where
from bitnet.committed import committed
from bitnet.config import RunConfig
from bitnet.data import load_corpus
from bitnet.display.bundle import pack, reserve
from bitnet.display.printout import print_bundle
from bitnet.files import check_way
from bitnet.runs.grid import Grid
from bitnet.runs.history import History, default_runs_dir
from bitnet.runtime.backend import choose
from bitnet.runtime.gpu_watch import GpuWatch, ask_nvidia_smi
from bitnet.sweep.pool import Pool
from bitnet.sweep.runner import Runner
from bitnet.sweep.study import train
from bitnet.terminal import Terminal

PLAN = committed("params/gpu.yaml")


class NoGpuError(checks.OneLineError, RuntimeError):
    """There is no GPU to verify anything on; the message says what to run instead."""


def add_options(add: Add) -> None:
    """The options of the command."""
    plan = "a grid file; its first size and length checks the machine (default: the brief's plan)"
    add("--plan", default=str(PLAN), help=plan)
    to = "the file to send back (default: gpu-1.zip, -2 and so on, in reports/ of the runs folder)"
    add("--to", default="", help=to)
    add_where(add)
    add("--workers", help="runs at once (default: one a GPU)")


def command(options: argparse.Namespace) -> int:
    """Check the machine, train, and leave one file; `--device cpu` rehearses it."""
    if options.device != "cpu":
        _need_gpu()
    device = "cuda" if options.device == "auto" else options.device
    precision = choose(device, options.precision).precision
    console = Terminal()
    grid = Grid.load(options.plan, "")

    def prepare(runs: Iterable[RunConfig]) -> Runner:
        def engine(jobs: int) -> Pool:
            return Pool(jobs, options.workers, device, precision)

        grid = Grid(tuple(runs))
        return Runner.prepare(grid, engine, options.runs_dir, console, tracker=options.tracker)

    whole, watch, histories = prepare(grid.runs), GpuWatch(), []
    path = checks.path("to", options.to) if options.to else _free_name(options.runs_dir)
    reserve(path)
    try:
        findings = _findings(grid.runs, console)
        if whole.pending:
            console.print("Measuring how long it takes here ...")
            console.print("\n".join(whole.estimate()))
        with nullcontext() if device == "cpu" else watch:
            for _, runs in groupby(grid.runs, key=lambda run: (run.hidden, run.steps)):
                done = train(prepare(runs))
                _print_checklist(done, console)
                _warn(_warnings(done, device, watch), console)
                histories += done
        pack(path, histories, findings, _environment(histories, device, watch))
    finally:
        if path.exists() and not path.stat().st_size:  # reserved, and not filled
            path.unlink()
    print_bundle(path, console)
    return 0


def _need_gpu() -> None:
    """Raises: `NoGpuError`."""
    if torch.cuda.is_available():
        return
    why = f"torch {torch.__version__} finds none here"
    if ask_nvidia_smi():
        why = f"torch {torch.__version__} finds none, though nvidia-smi does: install torch for it"
    instead = "`bitnet verify` answers in the miniature, `bitnet verify --scale full` in hours"
    raise NoGpuError(f"verify-gpu needs a GPU with CUDA, and {why}; on a CPU {instead}")


def _free_name(runs_dir: str) -> Path:
    runs = checks.folder("runs_dir", runs_dir) or default_runs_dir()
    folder = runs / "reports"
    try:
        check_way(runs, folder)
    except OSError as error:
        raise checks.ParameterError("runs_dir", str(runs), str(error)) from error
    names = (folder / f"gpu-{number}.zip" for number in range(1, 10**6))
    return next(path for path in names if not path.exists())


def _print_checklist(histories: Sequence[History], console: Terminal) -> None:
    """The brief's milestones of the fix: what it expected there, and what was measured."""
    for history in histories:
        if history.config.arm == FIX:
            console.print(f"\n{history.config.label()}:")
            console.print(checklist(history).to_string(index=False), soft_wrap=True)


def _findings(runs: Sequence[RunConfig], console: Terminal) -> list[Finding]:
    """The preflight of the longest runs, which are judged; its warnings are printed."""
    longest = [run for run in runs if run.steps == max(run.steps for run in runs)]
    corpus = load_corpus(longest[0].corpus, longest[0].vocabulary, log=console.print)
    findings = preflight(longest, corpus)
    _warn([f"{f.subject}: {f.message}" for f in findings if f.level == "warning"], console)
    return findings


def _warn(lines: Sequence[str], console: Terminal) -> None:
    for line in lines:
        console.print(f"WARNING: {line}.", style="yellow")


def _warnings(histories: Sequence[History], device: str, watch: GpuWatch) -> list[str]:
    devices: list[Any] = [history.manifest["device"] for history in histories]
    on_cpu = any(found["kind"] != "cuda" for found in devices)
    unused = ["the GPU is not used: runs were trained on the CPU"] if on_cpu else []
    return unused if device == "cpu" else unused + watch.warnings()


def _environment(histories: Sequence[History], device: str, watch: GpuWatch) -> dict[str, Any]:
    """What the runs were trained on, and what is to be warned of; no name of machine or user."""
    return {
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda or "none",
        "device": "cpu" if device == "cpu" else torch.cuda.get_device_name(),
        "watched": watch.facts(),
        "warnings": _warnings(histories, device, watch),
    }
