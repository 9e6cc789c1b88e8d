"""What is to be seen in a plotly figure, read from its data."""

import math


def texts(figure):
    """Every annotation, joined."""
    return " | ".join(a.text for a in figure.layout.annotations)


def axes(figure, letter):
    """The layouts of its x or y axes."""
    layout = figure.layout.to_plotly_json()
    return [axis for name, axis in layout.items() if name.startswith(f"{letter}axis")]


def drawn(trace):
    """The points of a trace that are there to be seen."""
    points = zip(trace.x, trace.y, strict=True)
    return [(x, y) for x, y in points if y is not None and not math.isnan(y)]


def switches(figure):
    """Where the vertical lines stand."""
    lines = [shape for shape in figure.layout.shapes if shape.type == "line"]
    return [line.x0 for line in lines if line.x0 == line.x1]


def levels(figure):
    """Where the horizontal lines stand."""
    lines = [shape for shape in figure.layout.shapes if shape.type == "line"]
    return [line.y0 for line in lines if line.y0 == line.y1]
