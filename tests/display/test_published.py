"""The published numbers and where they are laid over ours."""

from bitnet.display.curves import loss_figure, prompt_probe_figure
from bitnet.display.published import published
from bitnet.display.sizes import size_figure
from tests.support.figures import texts
from tests.support.histories import DEAD, history

HISTORIES = [
    history("l2-0.05", stage1=DEAD, stage2=DEAD),
    history("l2-0.0", stage1=DEAD),
    history("adamw-0.0"),
]


def test_published_points_are_overlaid_where_they_apply():
    def overlaid(histories):
        return [t for t in prompt_probe_figure(histories).data if "published" in t.name]

    (trace,) = overlaid(HISTORIES)
    assert list(trace.x) == [1000 * i for i in range(1, 11)]
    assert list(trace.y) == [16, 8, 2, 2, 2, 10, 14, 13, 17, 13]
    assert trace.name == "l2-0.0, published (10\u202f000-step run)"
    assert "l2-0.0, published (training loss, 10\u202f000-step run)" in [
        trace.name for trace in loss_figure(HISTORIES).data
    ]
    # One ends before the first published step; a size, then an arm, that was not published.
    assert overlaid([history("l2-0.0", steps=200)]) == []
    assert overlaid([history("l2-0.0", hidden=128)]) == []
    assert overlaid([history("adamw-0.0")]) == []


def test_the_published_table_is_carried_whole():
    table = published()
    assert len(table) == 54
    assert not table.arm.isna().any()
    dead = table[(table.run == "scaling") & (table.hidden == 256) & (table.step == 1000)].iloc[0]
    assert (dead.loss, dead.unique_predictions) == (10.82, 16)


def test_the_20_prompt_probe_is_drawn_beside_the_four_published_sizes_and_its_ceiling():
    figure = size_figure([history("l2-0.0"), history("l2-0.0", steps=5000)], "unique_predictions")
    assert "20" in texts(figure)
    assert [trace.name for trace in figure.data[::2]] == [
        "l2-0.0, 5000 steps", "l2-0.0, 20000 steps", "l2-0.0, published (10\u202f000 steps)"
    ]  # fmt: skip
    assert dict(zip(figure.data[-1].x, figure.data[-1].y, strict=True)) == {
        256: 13,
        512: 11,
        768: 12,
        1024: 11,
    }
