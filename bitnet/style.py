"""How figures look: colours, template, reference lines, and pictures of them in saved notebooks (plotly)."""

import base64
import io
import math
import shutil
from collections.abc import Sequence

import plotly.graph_objects as go
import plotly.io as pio

from bitnet.arms import ARMS, GRID, GRID_DECAYS
from bitnet.config import RunConfig
from bitnet.history import History
from bitnet.schedule import stage_boundary

__all__ = [
    "ARM_COLOURS", "CASE_COLOURS", "HEIGHT", "TEMPLATE", "dash", "dress", "faint", "level", "mark_switch", "run_name",
    "set_renderer",
]  # fmt: skip

# Okabe & Ito's colours, which every kind of colour vision tells apart; an arm keeps its colour in every figure, and
# the arms that share one differ in their dash.
ARM_COLOURS = {
    "l2-0.05": "#D55E00", "l2-0.0": "#0072B2", "l2-0.1": "#CC79A7", "l2-reduced-lr": "#E69F00",
    "l2-label-smoothing": "#56B4E9", "l2-grad-clip": "#000000", "adamw-0.05": "#F0E442", "adamw-0.0": "#009E73",
    "no-decay": "#999999", "fp-l2-0.0": "#0072B2", "fp-adamw-0.0": "#009E73", "l2-blocks-0.0": "#117733",
}  # fmt: skip
# The grid's arms by their coefficient, from light to dark.
_DECAY_COLOURS = dict(zip(GRID_DECAYS, ("#999999", "#F0E442", "#E69F00", "#D55E00", "#000000"), strict=True))
ARM_COLOURS |= {arm: _DECAY_COLOURS[recipe.stage1_decay] for arm, recipe in GRID.items()}
HEIGHT = 430
PICTURE_WIDTH = 760  # pixels
PICTURE_COLOURS = 128  # few, so that a notebook with seven pictures stays small
# Of plotly's white template only what a plain chart needs: every figure in a notebook carries its template along.
_WHITE = pio.templates["plotly_white"].layout
TEMPLATE = {
    "layout": {
        name: _WHITE[name].to_plotly_json() if hasattr(_WHITE[name], "to_plotly_json") else _WHITE[name]
        for name in ("font", "title", "xaxis", "yaxis", "hoverlabel", "paper_bgcolor", "plot_bgcolor")
    }
}
CASE_COLOURS = ("#555555", "#D55E00", "#009E73", "#0072B2")  # of things that are not arms


def set_renderer() -> None:
    """Let notebooks store figures as interactive plotly data and, where a Chromium can draw it, as a picture too."""
    from plotly.io.base_renderers import MimetypeRenderer  # here, for it brings IPython along

    class Picture(MimetypeRenderer):
        def to_mimebundle(self, fig_dict: dict) -> dict[str, str]:
            return {"image/png": _small_picture(fig_dict)}

    browsers = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    pio.renderers["small_png"] = Picture()
    pio.renderers.default = "plotly_mimetype+small_png" if any(map(shutil.which, browsers)) else "plotly_mimetype"


def _small_picture(figure: dict) -> str:
    """A figure as a PNG in a palette, base64."""
    import kaleido
    from PIL import Image

    kaleido.start_sync_server(
        silence_warnings=True
    )  # one browser for all pictures; else each starts its own, which takes seconds
    options = {"format": "png", "width": PICTURE_WIDTH, "height": figure["layout"].get("height", HEIGHT)}
    full = kaleido.calc_fig_sync(go.Figure(figure, skip_invalid=True).to_dict(), opts=options)
    small = io.BytesIO()
    # The octree keeps a colour that few pixels have, such as a thin line's; the default, by frequency, merges it with others.
    picture = Image.open(io.BytesIO(full)).convert("RGB").quantize(PICTURE_COLOURS, method=Image.Quantize.FASTOCTREE)
    picture.save(small, "PNG", optimize=True)
    return base64.b64encode(small.getvalue()).decode()


def run_name(config: RunConfig, among: Sequence[RunConfig]) -> str:
    """A run's name, as short as the others allow."""
    name = config.arm
    if len({c.hidden for c in among}) > 1:
        name += f", hidden {config.hidden}"
    return name + (f", seed {config.seed}" if len({c.seed for c in among}) > 1 else "")


def dash(arm: str) -> str:
    """The line of an arm: dashed where its weights are not ternary."""
    return "solid" if ARMS[arm].quantize else "dash"


def faint(colour: str) -> str:
    """A colour "#rrggbb" for areas behind lines."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.2)"


def dress(figure: go.Figure, title: str, x: str | None, y: str | None) -> None:
    """Title, axis titles (None: as they are) and the look that all figures share."""
    figure.update_layout(
        title={"text": title, "x": 0, "xanchor": "left", "pad": {"l": 12}}, template=TEMPLATE, height=HEIGHT,
        hovermode="closest", margin={"l": 70, "r": 20, "t": 70, "b": 60}, legend={"tracegroupgap": 0},
    )  # fmt: skip
    if x:
        figure.update_xaxes(title=x)
    if y:
        figure.update_yaxes(title=y)


def mark_switch(figure: go.Figure, histories: Sequence[History]) -> None:
    """A dotted line at each stage switch that the runs have."""
    for boundary in sorted({stage_boundary(h.config.steps) for h in histories}):
        figure.add_vline(boundary, line={"color": "#888", "dash": "dot"})
        figure.add_annotation(
            x=boundary, y=1, yref="paper", yanchor="bottom", text="stage switch", showarrow=False, font={"color": "#666"}
        )


def level(figure: go.Figure, y: float, text: str, log: bool = False, left: bool = False) -> None:
    """A horizontal reference line, labelled at its right or left end; on a log axis plotly places a text by its exponent."""
    figure.add_shape(
        type="line", xref="paper", x0=0, x1=1, y0=y, y1=y, line={"color": "#777", "dash": "dash", "width": 1}, layer="between"
    )
    figure.add_annotation(
        xref="paper", x=0 if left else 1, xanchor="left" if left else "right", y=math.log10(y) if log else y,
        yanchor="bottom", text=text, showarrow=False, font={"size": 11, "color": "#555"},
    )  # fmt: skip
