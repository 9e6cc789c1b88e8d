"""The look of arms: every arm has a colour, always the same, and a line."""

import re
import subprocess
import sys

import pytest

from bitnet import ARMS
from bitnet.arms import arm_name, decay_grid
from bitnet.display.curves import loss_figure, measure_figure
from bitnet.display.phases import phase_figure
from bitnet.display.theme import (
    ARM_COLOURS,
    FAINT,
    STATE_COLOURS,
    TEMPLATE,
    axis_title,
    colour,
    contrast,
    dash,
    faint,
    grid_decay,
    ink,
)
from bitnet.display.verify import verify_figure
from bitnet.evaluation.diversity import STATES
from bitnet.evaluation.measures import MEASURES

DECAYS = (0, 0.001, 0.01, 0.05, 0.1)
LIGHT_TO_DARK = ("#999999", "#B8A200", "#E69F00", "#D55E00", "#000000")
GENERATED = ("adamw-0.0+peak_lr=0.003", "l2-0.0+decay=0.02", "l2-0.0+decayed=blocks+clip_norm=2.0")


def test_every_named_arm_has_a_colour_and_keeps_it():
    assert set(ARM_COLOURS) == set(ARMS)
    assert all(colour(arm) == ARM_COLOURS[arm] for arm in ARMS)


@pytest.mark.parametrize("arm", [*decay_grid((*DECAYS, 1e-6, 0.02, 1)), *GENERATED])
def test_a_generated_arm_has_a_valid_colour(arm):
    assert re.fullmatch("#[0-9A-F]{6}", colour(arm))
    assert re.fullmatch(r"rgba\(\d+,\d+,\d+,0.2\)", faint(colour(arm)))
    assert dash(arm) in ("solid", "dash")


def test_the_colours_of_generated_arms_are_those_of_every_other_session():
    code = f"from bitnet.display.theme import colour; print([colour(a) for a in {GENERATED!r}])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str([colour(arm) for arm in GENERATED])


@pytest.mark.parametrize("base", ["adamw-0.0", "fp-l2-0.0", "fp-adamw-0.0"])
@pytest.mark.parametrize(("decay", "hue"), zip(DECAYS, LIGHT_TO_DARK, strict=True))
def test_the_arms_of_a_decay_grid_go_from_light_to_dark_by_their_coefficient(base, decay, hue):
    assert colour(arm_name({"base": base, "decay": decay})) == hue


def test_a_coefficient_between_two_is_drawn_between_their_colours():
    def green(decay):
        return int(colour(f"l2-0.0+decay={decay}")[3:5], 16)

    assert green(0.05) < green(0.03) < green(0.02) < green(0.01) < green(0.005) < green(0.001)


def test_the_arms_of_a_decay_grid_are_told_from_others():
    assert [grid_decay(arm) for arm in decay_grid(DECAYS)] == [*DECAYS, *DECAYS[1:]] * 2
    assert grid_decay("no-decay") == 0
    assert grid_decay("l2-0.1") == 0.1
    others = set(ARMS) - {"no-decay", "l2-0.1"} | {"l2-0.1+peak_lr=0.003"}
    assert [arm for arm in others if grid_decay(arm) is not None] == []


def test_full_precision_is_dashed_whatever_its_name():
    assert dash("l2-0.0") == dash("adamw-0.0+peak_lr=0.003") == "solid"
    assert dash("fp-l2-0.0") == dash("fp-l2-0.0+decay=0.1") == "dash"


def test_an_arm_keeps_its_colour_and_full_precision_is_dashed(tiny_runs):
    histories = [tiny_runs["adamw-0.0", 0], tiny_runs["fp-adamw-0.0", 0]]
    for figure in (
        loss_figure(histories),
        phase_figure(histories),
        measure_figure(histories, "top1_share"),
    ):
        lines = {trace.name: trace.line for trace in figure.data}
        assert lines["adamw-0.0"].color == ARM_COLOURS["adamw-0.0"]
        assert lines["fp-adamw-0.0"].color == ARM_COLOURS["fp-adamw-0.0"]
        assert (lines["adamw-0.0"].dash, lines["fp-adamw-0.0"].dash) == ("solid", "dash")


def test_an_axis_says_the_measure_its_scale_and_nats():
    assert axis_title("top1_share", log=True) == MEASURES["top1_share"].label + ", log scale"
    for measure in ("context_information", "predictive_entropy", "val_loss"):
        assert "(nats" in axis_title(measure)


def test_what_is_read_is_dark_enough_on_its_paper():
    """By WCAG 2.1: 4.5 for texts; lines at least 2, which their labels tell apart as well."""
    paper, text = "#FFFFFF", TEMPLATE["layout"]["font"]["color"].upper()
    assert TEMPLATE["layout"]["paper_bgcolor"] == TEMPLATE["layout"]["plot_bgcolor"] == "white"
    assert contrast("#000000", paper) == pytest.approx(21)
    assert contrast(text, paper) >= 4.5
    assert contrast(FAINT, paper) >= 4.5
    for arm in (*ARMS, *decay_grid(DECAYS), *GENERATED):
        assert contrast(ink(colour(arm)), paper) >= 4.5
    for arm in ARMS:
        assert contrast(colour(arm), paper) >= 2
    for state in STATES:
        assert contrast("#222222", STATE_COLOURS[state]) >= 4.5


@pytest.mark.parametrize("build", [loss_figure, phase_figure, verify_figure])
def test_a_figure_is_as_wide_as_its_page_and_keeps_its_height(runs, build):
    layout = build(runs).layout
    assert layout.width is None
    assert layout.height
    assert not layout.xaxis.automargin
    assert None not in (layout.xaxis.range, layout.yaxis.range)
    assert layout.template.layout.yaxis.automargin is False
