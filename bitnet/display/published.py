"""The numbers published with the original investigation, as a table and as points in a figure."""

from collections.abc import Sequence
from importlib.resources import files

import pandas as pd

from bitnet.display.chart import Chart
from bitnet.display.theme import colour
from bitnet.evaluation.measures import number
from bitnet.runs.history import History

__all__ = ["overlay_published", "overlay_published_sizes", "published", "published_points"]

# Which of our arms a published run followed.
_ARMS = {
    "scaling": "l2-0.0",
    "stage1_only": "l2-0.1",
    "reduced_lr": "l2-reduced-lr",
    "label_smoothing": "l2-label-smoothing",
    "grad_clip": "l2-grad-clip",
}


def published() -> pd.DataFrame:
    """The published numbers: run, hidden, step, loss, unique_predictions, and the arm."""
    table = pd.read_csv(str(files("bitnet") / "published.csv"))
    return table.assign(arm=table.run.map(_ARMS))


def published_points(
    histories: Sequence[History], column: str, what: str = "", between: str = " "
) -> list[tuple[str, str, list[tuple[float, float]]]]:
    """The published points of the arms and sizes shown, as far as these runs reach, if any.

    Each as (arm, name, points); `between` parts the name from what is known of the run.
    """
    table, found = published().dropna(subset=[column]), []
    last = max((h.config.steps for h in histories), default=0)
    for arm, hidden in sorted({(h.config.arm, h.config.hidden) for h in histories}):
        rows = table[(table.arm == arm) & (table.hidden == hidden)]
        rows = rows[(rows.step > 1) & (rows.step <= last)]
        if len(rows):
            length = rows.steps_total.iloc[0]
            known = f"{number(length)}-step run" if length == length else ""
            about = ", ".join(part for part in (what, known) if part)
            name = f"{arm}, published" + (f"{between}({about})" if about else "")
            found.append((arm, name, list(zip(rows.step, rows[column], strict=True))))
    return found


def overlay_published(
    chart: Chart, histories: Sequence[History], column: str, what: str = ""
) -> None:
    """The published points of the arms and sizes shown, as far as these runs reach, if any."""
    for arm, name, points in published_points(histories, column, what):
        chart.points(
            name,
            x=[step for step, _ in points],
            y=[value for _, value in points],
            marker=_marker(arm),
            hovertemplate="published: step %{x:,d}: %{y}<extra></extra>",
        )


def overlay_published_sizes(chart: Chart) -> list[int]:
    """The last published 20-prompt probe of every size, which are returned."""
    last = published().query("run == 'scaling'").groupby("hidden").last()
    arm = _ARMS["scaling"]
    chart.points(
        f"{arm}, published ({number(10_000)} steps)",
        x=last.index.tolist(),
        y=last.unique_predictions.tolist(),
        marker=_marker(arm),
        hovertemplate="published: hidden %{x}: %{y}<extra></extra>",
    )
    return last.index.tolist()


def _marker(arm: str) -> dict[str, object]:
    return {"symbol": "diamond-open", "size": 10, "color": colour(arm), "line": {"width": 2}}
