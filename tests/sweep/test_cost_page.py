"""What docs/sweeps.md says that 10 000 runs cost, recomputed from the files that it names."""

import json
import re
from datetime import datetime
from pathlib import Path
from statistics import median

from bitnet.runs.checkpoint import Cadence

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "sweeps.md").read_text()
BENCH = json.loads((ROOT / "results" / "bench-2-core-epyc-avx512.json").read_text())
RUNS, STEPS, CORES, WEIGHT = 10_000, 20_000, 2, 4  # bytes of a weight
OVERHEAD = 1 + BENCH["evaluation"]["share"] + Cadence.share


def row(name):
    (cells,) = re.findall(rf"^\| {re.escape(name)} \| (.*) \|$", PAGE, re.MULTILINE)
    return cells.split(" | ")


def manifests(folder):
    paths = sorted((ROOT / "results" / folder).glob("*/manifest.json"))
    return [json.loads(path.read_text()) for path in paths]


def grouped(value):
    return f"{value:,.0f}".replace(",", " ")


def costs(core_seconds, parameters):
    """Core-hours, days on a machine of two cores, and terabytes of weights."""
    hours = core_seconds / 3600
    terabytes = RUNS * parameters * WEIGHT / 1e12
    return [grouped(hours), grouped(hours / 24 / CORES), f"{terabytes:.2f} TB"]


def test_the_full_size_by_the_benchmark():
    by_hidden = {b["hidden"]: b["seconds"]["trainer"] for b in BENCH["sizes"]
                 if b["batch_size"] == 4}  # fmt: skip
    parameters = {m["config"]["hidden"]: m["parameters"] for m in manifests("runs")}
    for hidden in (256, 512):
        seconds = by_hidden[hidden] * STEPS * OVERHEAD
        expected = costs(RUNS * seconds * CORES, parameters[hidden])
        a_run = f"{seconds / 60:.0f} minutes of two cores"
        assert row(f"hidden {hidden}, 20 000 updates") == [a_run, *expected]


def test_the_miniature_by_its_committed_runs():
    found = manifests("miniature-runs")
    assert {m["device"]["threads"] for m in found} == {1}
    spans = [
        sum((datetime.fromisoformat(s["ended"]) - datetime.fromisoformat(s["started"])).seconds
            for s in m["sessions"])
        for m in found
    ]  # fmt: skip
    seconds = median(spans)
    (parameters,) = {m["parameters"] for m in found}
    a_run = f"{seconds / 60:.1f} minutes of one core"
    assert row("the miniature, 6 000 updates") == [a_run, *costs(RUNS * seconds, parameters)]
