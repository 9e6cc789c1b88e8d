"""How figures look: colours and dashes of arms, template, marks, pictures in saved notebooks."""

import base64
import io
import math
import shutil
import zlib
from collections.abc import Sequence
from itertools import pairwise

import plotly.graph_objects as go
import plotly.io as pio
from plotly.colors import find_intermediate_color

from bitnet.evaluation.measures import MEASURES
from bitnet.recipes import Recipe, recipe
from bitnet.runs.history import History
from bitnet.schedule import stage_boundary

__all__ = [
    "ARM_COLOURS", "CASE_COLOURS", "HEIGHT", "TEMPLATE", "axis_title", "can_draw", "colour",
    "dash", "dress", "faint", "grid_decay", "level", "mark_switch", "picture", "set_renderer",
]  # fmt: skip

# Okabe & Ito's colours, which every kind of colour vision tells apart; an arm keeps its colour in
# every figure, and the named arms that share one differ in their dash.
ARM_COLOURS = {
    "l2-0.05": "#D55E00", "l2-0.0": "#0072B2", "l2-0.1": "#CC79A7", "l2-reduced-lr": "#E69F00",
    "l2-label-smoothing": "#56B4E9", "l2-grad-clip": "#000000", "adamw-0.05": "#F0E442",
    "adamw-0.0": "#009E73", "no-decay": "#999999", "fp-l2-0.0": "#0072B2",
    "fp-adamw-0.0": "#009E73", "l2-blocks-0.0": "#117733",
}  # fmt: skip
# The arms of a decay grid by their coefficient, from light to dark; none is grey.
_NO_DECAY = "#999999"
_DECAY_COLOURS = {0.001: "#F0E442", 0.01: "#E69F00", 0.05: "#D55E00", 0.1: "#000000"}
# Any other arm takes one of Paul Tol's "muted" colours, by its name.
_OTHER_COLOURS = (
    "#332288", "#88CCEE", "#44AA99", "#117733", "#999933", "#DDCC77", "#CC6677", "#882255",
    "#AA4499",
)  # fmt: skip
CASE_COLOURS = ("#555555", "#D55E00", "#009E73", "#0072B2")  # of things that are not arms
HEIGHT = 430
PICTURE_WIDTH = 760  # pixels
PICTURE_COLOURS = 128  # few, so that a notebook with seven pictures stays small

# Of plotly's white template only what a plain chart needs: every figure in a notebook carries its
# template along.
_WHITE = pio.templates["plotly_white"].layout.to_plotly_json()
_KEPT = ("font", "title", "xaxis", "yaxis", "hoverlabel", "paper_bgcolor", "plot_bgcolor")
TEMPLATE = {"layout": {name: _WHITE[name] for name in _KEPT}}


def set_renderer() -> None:
    """Let notebooks store figures as plotly data and, where a Chromium can draw it, as pictures."""
    from plotly.io.base_renderers import MimetypeRenderer  # here, for it brings IPython along

    class Picture(MimetypeRenderer):
        def to_mimebundle(self, fig_dict: dict) -> dict[str, str]:
            return {"image/png": base64.b64encode(picture(fig_dict)).decode()}

    pio.renderers["small_png"] = Picture()
    pio.renderers.default = "plotly_mimetype+small_png" if can_draw() else "plotly_mimetype"


def can_draw() -> bool:
    """Whether there is a Chromium, which pictures of figures are drawn with."""
    browsers = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    return any(map(shutil.which, browsers))


def picture(figure: dict, width: int = PICTURE_WIDTH) -> bytes:
    """A figure as a PNG in a palette, `width` pixels wide and as high as its layout says."""
    import kaleido
    from PIL import Image

    # One browser for all pictures; else each starts its own, which takes seconds.
    kaleido.start_sync_server(silence_warnings=True)
    height = figure["layout"].get("height", HEIGHT)
    options = {"format": "png", "width": width, "height": height}
    full = kaleido.calc_fig_sync(go.Figure(figure, skip_invalid=True).to_dict(), opts=options)
    # The octree keeps a colour that few pixels have, such as a thin line's; the default, by
    # frequency, merges it with others.
    image = Image.open(io.BytesIO(full)).convert("RGB")
    image = image.quantize(PICTURE_COLOURS, method=Image.Quantize.FASTOCTREE)
    small = io.BytesIO()
    image.save(small, "PNG", optimize=True)
    return small.getvalue()


def colour(arm: str) -> str:
    """The colour of an arm, named or given as overrides, the same in every figure and session."""
    if arm in ARM_COLOURS:
        return ARM_COLOURS[arm]
    decay = grid_decay(arm)
    if decay is None:
        return _OTHER_COLOURS[zlib.crc32(arm.encode()) % len(_OTHER_COLOURS)]
    return _colour_of_decay(decay)


def _colour_of_decay(decay: float) -> str:
    """Between the known coefficients by their logarithm; beyond them as at the ends."""
    known = list(_DECAY_COLOURS)
    if decay == 0:
        return _NO_DECAY
    for low, high in pairwise(known):
        if low < decay < high:
            share = math.log(decay / low) / math.log(high / low)
            ends = (_rgb(_DECAY_COLOURS[low]), _rgb(_DECAY_COLOURS[high]))
            return "#{:02X}{:02X}{:02X}".format(*map(round, find_intermediate_color(*ends, share)))
    return _DECAY_COLOURS[min(max(decay, known[0]), known[-1])]


def grid_decay(arm: str) -> float | None:
    """The coefficient of an arm of `recipes.decay_grid`, in both stages; None for another arm."""
    found = recipe(arm)
    decay = found.stage1_decay
    same = Recipe(found.optimizer, quantize=found.quantize, stage1_decay=decay, stage2_decay=decay)
    return decay if found == same else None


def dash(arm: str) -> str:
    """The line of an arm: dashed where its weights are not ternary."""
    return "solid" if recipe(arm).quantize else "dash"


def faint(hue: str) -> str:
    """A colour "#rrggbb" for areas behind lines."""
    return "rgba({},{},{},0.2)".format(*_rgb(hue))


def _rgb(hue: str) -> tuple[int, ...]:
    return tuple(int(hue[i : i + 2], 16) for i in (1, 3, 5))


def dress(figure: go.Figure, title: str, x: str | None, y: str | None) -> None:
    """Title, axis titles (None: as they are) and the look that all figures share."""
    figure.update_layout(
        title={"text": title, "x": 0, "xanchor": "left", "pad": {"l": 12}},
        template=TEMPLATE,
        height=HEIGHT,
        hovermode="closest",
        margin={"l": 70, "r": 20, "t": 70, "b": 60},
        legend={"tracegroupgap": 0},
    )
    if x:
        figure.update_xaxes(title=x)
    if y:
        figure.update_yaxes(title=y)


def axis_title(measure: str, log: bool = False) -> str:
    """What the axis of a measure says."""
    return MEASURES[measure].label + (", log scale" if log else "")


def mark_switch(figure: go.Figure, histories: Sequence[History]) -> None:
    """A dotted line at each stage switch that the runs have."""
    for boundary in sorted({stage_boundary(h.config.steps) for h in histories}):
        figure.add_vline(boundary, line={"color": "#888", "dash": "dot"})
        figure.add_annotation(
            x=boundary, y=1, yref="paper", yanchor="bottom", text="stage switch", showarrow=False,
            font={"color": "#666"},
        )  # fmt: skip


def level(
    figure: go.Figure,
    y: float,
    text: str,
    log: bool = False,
    left: bool = False,
    colours: tuple[str, str] = ("#777", "#555"),
) -> None:
    """A horizontal line at `y`, labelled at its right or left end; `colours` of line and label."""
    line, label = colours
    figure.add_shape(
        type="line", xref="paper", x0=0, x1=1, y0=y, y1=y, layer="between",
        line={"color": line, "dash": "dash", "width": 1},
    )  # fmt: skip
    figure.add_annotation(
        xref="paper", x=0 if left else 1, xanchor="left" if left else "right",
        y=math.log10(y) if log else y,  # on a log axis plotly places a text by its exponent
        yanchor="bottom", text=text, showarrow=False, font={"size": 11, "color": label},
    )  # fmt: skip
