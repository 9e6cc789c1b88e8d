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

from bitnet.arms import recipe
from bitnet.config import RunConfig
from bitnet.evaluation.measures import MEASURES, SEPARATORS
from bitnet.recipes import Recipe

__all__ = [
    "ARM_COLOURS", "CASE_COLOURS", "FAINT", "HEIGHT", "STATE_COLOURS", "STATE_INKS",
    "STATE_SYMBOLS", "TEMPLATE", "axis_title", "can_draw", "colour", "contrast", "dash", "dress",
    "faint", "grid_decay", "ink", "mark_switch", "picture", "sentence", "set_renderer", "step_axis",
]  # fmt: skip

# Okabe & Ito's colours, which every kind of colour vision tells apart, but for their yellow, which
# is darker here to be seen on white. An arm keeps its colour in every figure, and the named arms
# that share one differ in their dash.
ARM_COLOURS = {
    "l2-0.05": "#D55E00", "l2-0.0": "#0072B2", "l2-0.1": "#CC79A7", "l2-reduced-lr": "#E69F00",
    "l2-label-smoothing": "#56B4E9", "l2-grad-clip": "#000000", "adamw-0.05": "#B8A200",
    "adamw-0.0": "#009E73", "no-decay": "#999999", "fp-l2-0.0": "#0072B2",
    "fp-adamw-0.0": "#009E73", "l2-blocks-0.0": "#117733",
    "recommended": "#332288", "fp-recommended": "#332288",
}  # fmt: skip
# The arms of a decay grid by their coefficient, from light to dark; none is grey.
_NO_DECAY = "#999999"
_DECAY_COLOURS = {0.001: "#B8A200", 0.01: "#E69F00", 0.05: "#D55E00", 0.1: "#000000"}
# Any other arm takes one of Paul Tol's "muted" colours, by its name.
_OTHER_COLOURS = (
    "#332288", "#88CCEE", "#44AA99", "#117733", "#999933", "#DDCC77", "#CC6677", "#882255",
    "#AA4499",
)  # fmt: skip
CASE_COLOURS = ("#555555", "#D55E00", "#009E73", "#0072B2")  # of things that are not arms
# The areas that stand for states: light, for they lie behind dark text.
STATE_COLOURS = {
    "dead": "#DDDDDD", "collapsed": "#F6D0B8", "learning": "#CFE3F2", "diverse": "#B5E0CF",
}  # fmt: skip
# The same hues as marks of their own.
STATE_INKS = {
    "dead": "#999999", "collapsed": "#D98B5F", "learning": "#6FA8D6", "diverse": "#4FB08C",
}  # fmt: skip
# How an evaluation is marked, by its state: what a dead network counts is noise, and left hollow.
STATE_SYMBOLS = {
    "dead": "circle-open", "collapsed": "x", "learning": "circle-open-dot", "diverse": "circle",
}  # fmt: skip
FAINT = "#767676"  # of marks that are there to read others by; legible on white
HEIGHT = 430
PICTURE_WIDTH = 760  # pixels
PICTURE_QUALITY = 45  # of a JPEG: seven of them in a notebook, and texts can be read
PICTURE_COLOURS = 128  # of a PNG; few, so that it stays small

# Of plotly's white template only what a plain chart needs: every figure in a notebook carries its
# template along. White paper under dark text is legible in a dark page too, where text on no paper
# would have to be grey.
_WHITE = pio.templates["plotly_white"].layout.to_plotly_json()
_KEPT = ("font", "title", "xaxis", "yaxis", "hoverlabel", "paper_bgcolor", "plot_bgcolor")
# No margin of its own for an axis: a figure would change its size as it is touched.
_AXES = {axis: {**_WHITE[axis], "automargin": False} for axis in ("xaxis", "yaxis")}
TEMPLATE = {"layout": {name: _WHITE[name] for name in _KEPT} | _AXES}
# As wide as the page, and again when the page changes.
CONFIG = {"responsive": True, "displaylogo": False}


def set_renderer() -> None:
    """Let notebooks store figures as plotly data and, where a Chromium can draw it, as pictures."""
    from plotly.io.base_renderers import MimetypeRenderer  # here, for it brings IPython along

    class Picture(MimetypeRenderer):
        def to_mimebundle(self, fig_dict: dict) -> dict[str, str]:
            drawn = picture(fig_dict, kind="JPEG")
            return {"image/jpeg": base64.b64encode(drawn).decode()}

    # Not a PNG, which JupyterLab would show in place of the figure until the mouse comes, and then
    # exchange for one of another size.
    pio.renderers["small_jpeg"] = Picture()
    pio.renderers["plotly_mimetype"].config = CONFIG
    pio.renderers.default = "plotly_mimetype+small_jpeg" if can_draw() else "plotly_mimetype"


def can_draw() -> bool:
    """Whether there is a Chromium, which pictures of figures are drawn with."""
    browsers = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    return any(map(shutil.which, browsers))


def picture(figure: dict, width: int = PICTURE_WIDTH, kind: str = "PNG") -> bytes:
    """A figure as a PNG in a palette or as a JPEG, `width` pixels wide, its layout's height."""
    import kaleido
    from PIL import Image

    # One browser for all pictures; else each starts its own, which takes seconds.
    kaleido.start_sync_server(silence_warnings=True)
    height = figure["layout"].get("height", HEIGHT)
    options = {"format": "png", "width": width, "height": height}
    full = kaleido.calc_fig_sync(go.Figure(figure, skip_invalid=True).to_dict(), opts=options)
    image, small = Image.open(io.BytesIO(full)).convert("RGB"), io.BytesIO()
    if kind == "JPEG":
        image.save(small, kind, quality=PICTURE_QUALITY, optimize=True, progressive=True)
    else:
        # The octree keeps a colour that few pixels have, such as a thin line's; the default, by
        # frequency, merges it with others.
        image = image.quantize(PICTURE_COLOURS, method=Image.Quantize.FASTOCTREE)
        image.save(small, kind, optimize=True)
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


def ink(hue: str) -> str:
    """A colour as dark as a text of it has to be on white, by WCAG 2.1 (1.4.3): at least 4.5:1."""
    rgb = _rgb(hue)
    while contrast(hue, "#FFFFFF") < 4.5:
        rgb = tuple(int(0.95 * part) for part in rgb)
        hue = "#{:02X}{:02X}{:02X}".format(*rgb)
    return hue


def contrast(one: str, other: str) -> float:
    """The contrast of two colours "#rrggbb", from 1 to 21, as WCAG 2.1 defines it."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(hue: str) -> float:
    parts = [part / 255 for part in _rgb(hue)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _rgb(hue: str) -> tuple[int, ...]:
    return tuple(int(hue[i : i + 2], 16) for i in (1, 3, 5))


def dress(figure: go.Figure, title: str, x: str | None, y: str | None) -> None:
    """Title, axis titles (None: as they are) and the look that all figures share.

    The height is fixed and the width that of the page; nothing changes its place when touched.
    """
    figure.update_layout(
        title={"text": title, "x": 0, "xanchor": "left", "pad": {"l": 12}},
        template=TEMPLATE,
        height=HEIGHT,
        separators=SEPARATORS,
        hovermode="closest",
        margin={"l": 70, "r": 20, "t": 70, "b": 60},
        legend={"tracegroupgap": 0},
    )
    if x:
        figure.update_xaxes(title=x)
    if y:
        figure.update_yaxes(title=y)


def step_axis(figure: go.Figure, last: int) -> None:
    """The x axis of a figure over updates 1..`last`."""
    figure.update_xaxes(title="update (step)", range=[-0.02 * last, 1.01 * last], tickformat=",d")


def axis_title(measure: str, log: bool = False) -> str:
    """What the axis of a measure says."""
    return MEASURES[measure].label + (", log scale" if log else "")


def sentence(text: str) -> str:
    """A text that begins with a capital, as titles do."""
    return text[:1].upper() + text[1:]


def mark_switch(
    figure: go.Figure, configs: Sequence[RunConfig], axes: Sequence[str] = ("x",)
) -> None:
    """A dotted line at each stage switch that the runs have, over the whole height.

    `axes` are the x axes of the panels that have it; in several, which have titles above, its
    name stands at its foot.
    """
    place = {"y": 1, "yanchor": "bottom"}
    if len(axes) > 1:
        place = {"y": 0, "yanchor": "bottom", "xanchor": "left"}
    for boundary in sorted({config.switch for config in configs if config.switch}):
        for axis in axes:
            figure.add_shape(
                type="line", xref=axis, x0=boundary, x1=boundary, yref="paper", y0=0, y1=1,
                line={"color": FAINT, "dash": "dot"},
            )  # fmt: skip
            figure.add_annotation(
                x=boundary, xref=axis, yref="paper", text="stage switch", showarrow=False,
                font={"color": FAINT}, **place,
            )  # fmt: skip
