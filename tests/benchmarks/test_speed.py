"""The benchmark: its rows train alike, its roof is what a step moves, its file is published."""

import json
from pathlib import Path

import pytest
import torch
from rich.console import Console

from benchmarks.machine import Machine
from benchmarks.speed import (
    ROWS,
    STEPPERS,
    Size,
    evaluation_share,
    lines_of,
    result_of,
    table_of,
    unavoidable,
)
from benchmarks.turns import Turns
from bitnet import BitNetModel, RunConfig
from bitnet.schedule import evaluation_steps

ROOT = Path(__file__).parents[2]
PUBLISHED = [
    json.loads(path.read_text()) for path in sorted((ROOT / "results").glob("bench-[0-9]*"))
]
CPU = torch.device("cpu")
SMALL = Size(32, 4)


def test_the_published_seconds_are_medians_of_what_was_measured():
    assert len(PUBLISHED) == 2
    for facts in PUBLISHED:
        for size in facts["sizes"]:
            for row, rounds in size["raw_seconds"].items():
                assert size["seconds"][row] == sorted(rounds)[len(rounds) // 2]


def test_the_published_ratios_are_those_of_the_published_seconds():
    for size in (size for facts in PUBLISHED for size in facts["sizes"]):
        ms = size["seconds"]
        expected = {
            "b/a": ms["reference"] / ms["trainer"],
            "c/b": ms["trainer"] / ms["full precision"],
            "b/d": ms["roof"] / ms["trainer"],
            "d/a": ms["reference"] / ms["roof"],
        }
        assert size["ratios"] == pytest.approx(expected)


def test_the_rows_take_the_same_updates(corpus):
    """From the same weights and data; the unquantized row is another model."""
    steps = {row: build(SMALL, corpus, CPU) for row, build in STEPPERS.items()}
    assert steps.keys() == ROWS.keys()
    losses = {row: [float(step(t)) for t in (1, 2, 3)] for row, step in steps.items()}
    assert losses["trainer"] == pytest.approx(losses["reference"], rel=1e-4)
    assert losses["full precision"] != pytest.approx(losses["trainer"], rel=1e-4)


def test_the_roof_counts_all_weights_and_all_multiplications():
    """Of hidden 256 and 4 x 32 tokens: by the sizes of the brief's model, one by one."""
    moved, operations = unavoidable(Size(256, 4))
    hidden, vocabulary, blocks = 256, 50257, 4 * (256 * 768 + 256 * 256 + 256 * 1024 + 512 * 256)
    weights = sum(p.numel() for p in BitNetModel(RunConfig("l2-0.0").model()).parameters())
    assert moved == 24 * weights + 8 * (blocks + vocabulary * hidden)
    assert operations == 6 * (blocks * 128 + vocabulary * hidden * 124)


def test_a_block_of_the_table_is_made_of_medians():
    machine = Machine(CPU, matrix=64, copy_bytes=2**16)
    for _ in range(3):
        machine.take_turn()
    times = {"reference": [3.0, 1.0, 2.0], "trainer": [0.5, 0.4, 0.6], "full precision": [0.5] * 3}
    turns = Turns(seconds=times, peak_bytes=dict.fromkeys(ROWS, 2**20))
    result = result_of(SMALL, turns, machine)
    assert {row: result["seconds"][row] for row in ROWS} == {
        "reference": 2.0, "trainer": 0.5, "full precision": 0.5,
    }  # fmt: skip
    assert result["ratios"]["b/a"] == 4.0
    assert result["seconds"]["roof"] == pytest.approx(
        result["unavoidable_bytes"] / sorted(machine.copies)[1]
        + result["unavoidable_operations"] / sorted(machine.products)[1]
    )
    console = Console(width=120)
    with console.capture() as capture:
        console.print(table_of([result]))
    rows = [line for line in capture.get().splitlines() if "32, 4x32" in line]
    assert [row.split("(")[1][0] for row in rows] == ["a", "b", "c", "d"]
    assert result.keys() == PUBLISHED[0]["sizes"][0].keys()
    (line,) = lines_of({"sizes": [result]})
    assert line.startswith("hidden 32, 128 tokens: b/a 4.00, c/b 1.00")


def test_the_share_of_evaluating_is_that_of_its_cadence(corpus):
    config = RunConfig("l2-0.0", hidden=16, layers=1, heads=1, steps=400, probe_positions=62)
    found = evaluation_share(config, corpus, CPU, step_seconds=0.5)
    assert found["count"] == len(evaluation_steps(400))
    assert found["share"] == pytest.approx(found["count"] * found["seconds"] / (400 * 0.5))
    (line,) = lines_of({"sizes": [], "evaluation": found})
    assert line.startswith(f"evaluation: {found['count']} of ")
