"""The last step against the size of the model."""

import pytest

from bitnet.analysis.statistics import bootstrap_interval
from bitnet.display.sizes import size_figure
from tests.support.histories import HEALTHY, history


def test_sizes_are_drawn_with_the_mean_its_interval_and_every_run():
    five, six, seven = (HEALTHY | {"unique_tokens": n} for n in (500, 600, 700))
    found = [
        history("l2-0.0", stage2=five),
        history("l2-0.0", stage2=six, seed=1),
        history("l2-0.0", stage2=seven, hidden=512),
    ]
    cut_short = history("l2-0.0", hidden=1024, until=5000)
    line, points = size_figure([*found, cut_short], "unique_tokens").data
    # And not 1024, which did not reach its last step.
    assert (line.x, line.y) == ((256, 512), (550, 700))
    low, high = bootstrap_interval([500, 600])
    assert (line.error_y.arrayminus, line.error_y.array) == ((550 - low, 0), (high - 550, 0))
    assert [*zip(points.x, points.y, strict=True)] == [(256, 500), (256, 600), (512, 700)]


def test_the_arms_of_a_size_stand_side_by_side():
    found = [
        history(arm, hidden=hidden) for arm in ("l2-0.0", "adamw-0.0") for hidden in (256, 512)
    ]
    fix, rival = size_figure(found, "unique_tokens").data[::2]
    assert [x[0] for x in fix.customdata] == [x[0] for x in rival.customdata] == [256, 512]
    assert fix.x[0] < 256 < rival.x[0] < fix.x[1] < 512 < rival.x[1]


def test_two_texts_are_two_lines():
    found = [history("l2-0.0"), history("l2-0.0", corpus="other", seed=1)]
    names = [trace.name for trace in size_figure(found, "val_loss").data[::2]]
    assert names == ["l2-0.0, wikipedia-sample", "l2-0.0, other"]


@pytest.mark.parametrize("measure", ["val_loss", "unique_predictions"])
def test_runs_of_which_none_is_complete_leave_their_lines_out(measure):
    figure = size_figure([history("l2-0.0", until=5000)], measure)
    assert all("published" in trace.name for trace in figure.data)
