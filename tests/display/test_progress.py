"""The progress bar: whose it is, and that it is left whole."""

import io

from bitnet import Record, RunConfig
from bitnet.display.progress import ProgressBar

RUNS = [RunConfig("l2-0.0", hidden=8, heads=1, steps=8, seed=seed) for seed in (0, 1)]


def lines(bar):
    for config in RUNS:
        for step in (4, 8):
            bar(config, Record(step, 7.25, 1e-3, 0.1))
    return [line for line in bar.stream.getvalue().replace("\r", "\n").split("\n") if line]


def test_every_run_has_a_bar_under_its_label_among_the_others():
    ends = [line for line in lines(ProgressBar(RUNS, io.StringIO())) if "8/8" in line]
    assert [line.partition(":")[0] for line in ends] == ["l2-0.0, seed 0", "l2-0.0, seed 1"]
    assert all("loss 7.25" in line for line in ends)


def test_alone_it_has_its_whole_label():
    assert lines(ProgressBar(stream=io.StringIO()))[-1].startswith(RUNS[1].label())
