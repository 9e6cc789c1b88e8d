"""What is to be seen in a plotly figure, read from its data."""

import math


def texts(figure):
    """Every annotation and the note under the title, each on one line, joined."""
    found = [a.text for a in figure.layout.annotations] + [figure.layout.title.subtitle.text or ""]
    return " | ".join(plain(text) for text in found)


def plain(text):
    """A text of a figure without its line breaks and with plain spaces."""
    return text.replace("<br>", " ").replace("\u202f", " ")


def label_boxes(figure):
    """(bottom, top) in pixels of the labels in the right margin, from the foot of the plot."""
    layout = figure.layout
    height = layout.height - layout.margin.t - layout.margin.b
    bottom, top = layout.yaxis.domain or (0, 1)
    low, high = layout.yaxis.range
    boxes = []
    for label in layout.annotations:
        if label.xref == "paper" and label.x == 1 and label.showarrow:
            at = (bottom + (label.y - low) / (high - low) * (top - bottom)) * height - label.ay
            half = (label.text.count("<br>") + 1) * 1.25 * label.font.size / 2
            boxes.append((at - half, at + half))
    return boxes


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
