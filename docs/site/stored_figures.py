"""Notebooks as they are committed, their Plotly figures as data that a page draws."""

import json

import nbformat

FIGURE = "application/vnd.plotly.v1+json"
PICTURE = "image/jpeg"


def read(text: str) -> nbformat.NotebookNode:
    """A notebook whose stored figures are elements for figures.js; without a script, pictures."""
    notebook = nbformat.reads(text, as_version=4)
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if FIGURE in data:
                output["data"] = {"text/html": element(data[FIGURE], data.get(PICTURE, ""))}
    return notebook


def element(figure: dict, picture: str) -> str:
    """A figure in HTML. Nothing in its texts can end the script element that holds it."""
    drawn = {name: figure[name] for name in ("data", "layout")}
    text = json.dumps(drawn, separators=(",", ":")).replace("<", "\\u003c")
    shown = f'<noscript><img alt="" src="data:{PICTURE};base64,{picture.strip()}"></noscript>'
    return (
        f'<div class="stored-figure" style="height: {figure["layout"].get("height", 450)}px">'
        f'<script type="application/json">{text}</script></div>{shown}'
    )
