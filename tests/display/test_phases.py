"""The plane of mutual information and entropy: its regions and the paths through it."""

import math

import pytest

from bitnet.display.phases import phase_figure
from bitnet.display.theme import ARM_COLOURS
from tests.support.figures import texts


def test_the_phase_figure_draws_both_regions_and_enlarges_the_last_point(runs):
    figure = phase_figure(runs)
    assert "dead: uniform" in texts(figure)
    assert "collapsed: context ignored" in texts(figure)
    dead, collapsed = (shape for shape in figure.layout.shapes if shape.type == "rect")
    assert dead.y0 == collapsed.y1 == pytest.approx(0.99 * math.log(2048))
    assert collapsed.x1 == 0.1
    assert "(nats)" in figure.layout.xaxis.title.text
    assert "(nats)" in figure.layout.yaxis.title.text
    for trace, run in zip(figure.data, runs, strict=True):
        assert (trace.name, trace.line.color) == (run.config.arm, ARM_COLOURS[run.config.arm])
        assert len(trace.x) == len(run.measures) - 1  # without the untrained model
        assert trace.y[-1] == pytest.approx(run.measures.predictive_entropy.iloc[-1], abs=1e-4)
        assert trace.marker.size[-1] > max(trace.marker.size[:-1])
