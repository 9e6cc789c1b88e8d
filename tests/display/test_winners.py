"""The tokens that win positions: how many a probe counts, and which they are."""

from dataclasses import replace

import pytest

from bitnet.display.tables import shown
from bitnet.display.theme import ARM_COLOURS
from bitnet.display.winners import rarefaction_figure, state_examples, top_tokens_figure
from bitnet.evaluation.diversity import STATES, rarefaction
from tests.support.figures import texts


def test_the_rarefaction_figure_starts_at_one_and_ends_at_the_count(runs):
    said = runs[0].snapshot_at()
    figure = rarefaction_figure([("last", said)])
    ceiling, curve = figure.data
    assert list(ceiling.x) == list(ceiling.y)
    assert curve.name == "last"
    assert (curve.x[0], curve.y[0]) == (1, 1)
    assert (curve.x[-1], curve.y[-1]) == (310, runs[0].measures.unique_tokens.iloc[-1])
    at = dict(zip(curve.x, curve.y, strict=True))
    assert at[20] == pytest.approx(rarefaction(said.abundances, 20), abs=0.01)
    assert "20-prompt probe" in texts(figure)
    assert "works above 50" in texts(figure)
    assert figure.layout.xaxis.type == figure.layout.yaxis.type == "log"


def test_a_smaller_probe_beside_a_larger_one_ends_at_its_own_size(runs):
    said = runs[0].snapshot_at()
    few = replace(said, abundances=[(1, 20), (5, 4)])
    for cases in ([("few", few), ("many", said)], [("many", said), ("few", few)]):
        ceiling, *curves = rarefaction_figure(cases).data
        ends = {curve.name: (curve.x[-1], curve.y[-1]) for curve in curves}
        assert ends["few"] == (40, 24)
        assert ends["many"][0] == ceiling.x[-1] == 310


def test_each_state_is_shown_by_the_first_evaluation_in_it(runs):
    examples = state_examples(runs)
    states = [name.split(":")[0] for name, _ in examples]
    assert states == [
        state for state in STATES if any(state in h.states[1:].tolist() for h in runs)
    ]
    for name, said in examples:
        arm, step = name.split(": ")[1].split(", step ")
        (run,) = (h for h in runs if h.config.arm == arm)
        assert run.states[run.measures.step == int(step)].item() == name.split(":")[0]
        assert said == run.snapshot_at(int(step))
        assert int(step) > 1


def test_the_winning_tokens_are_drawn_beside_their_share_of_the_text(runs):
    figure = top_tokens_figure(runs, step=20, tokens=3)
    assert len(figure.data) == 6
    assert [a.text for a in figure.layout.annotations] == ["l2-0.05", "l2-0.0", "adamw-0.0"]
    for i, run in enumerate(runs):
        top = run.snapshot_at(20).top_tokens[:3]
        text, wins = figure.data[2 * i : 2 * i + 2]
        assert wins.marker.color == ARM_COLOURS[run.config.arm]
        assert list(wins.x)[::-1] == [round(100 * share, 2) for _, share, _ in top]
        assert list(text.x)[::-1] == [round(100 * share, 2) for _, _, share in top]
        assert [name.strip() for name in wins.y][::-1] == [
            repr(shown(token, run.vocabulary))[1:-1].strip() for token, _, _ in top
        ]
        assert len(set(wins.y)) == len(top)
