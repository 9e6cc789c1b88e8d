"""The tables of docs/performance.md that `make bench-peers` measured, from the committed files."""

import html
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.decoding import OURS
from bitnet.analysis.markdown import quote, wrapped
from bitnet.evaluation.measures import number

__all__ = ["page", "publish"]

ROOT = Path(__file__).parents[1]
MADE_BY = "python -m benchmarks.comparison --publish"
TRAINING = ("hidden", "what trains", "ms an update", "times the trainer's", "first update, s", "MB",
            "loss, first and last update")  # fmt: skip
DECODING = ("hidden", "batch", "what decodes", "tokens a second", "times bitnet's", "same text")
NO_GPU = "Not measured: a GPU. No file of one is there."
NOTHING = "Not measured yet, on no machine: `make bench-peers` measures it."


def publish(document: Path = ROOT / "docs" / "performance.md") -> bool:
    """Put the tables between their marks; whether that changed the document."""
    return quote(document, page(ROOT / "results"), MADE_BY)


def page(folder: Path) -> str:
    """The tables of all files of a folder, and what no file has."""
    files = {path: json.loads(path.read_text()) for path in sorted(folder.glob("bench-peers-*"))}
    parts = [
        part for path, facts in files.items() for part in (_head(path, facts), *_tables(facts))
    ]
    kinds = {facts["device"]["kind"] for facts in files.values()}
    if "cuda" not in kinds:
        parts.append(NO_GPU if files else NOTHING)
    return "\n\n".join(parts)


def _head(path: Path, facts: Mapping[str, Any]) -> str:
    device = facts["device"]
    threads = f", {device['threads']} threads" if "threads" in device else ""
    packages = ", ".join(f"{name} {version}" for name, version in facts["packages"].items())
    text = f"**{_text(device['name'])}{threads}**, torch {facts['torch']}, {packages}:"
    return wrapped(f"{text} [{path.name}](../results/{path.name})")


def _tables(facts: Mapping[str, Any]) -> tuple[str, str]:
    training = [row for block in facts["training"] for row in _training(block)]
    decoding = [row for block in facts["decoding"] for row in _decoding(block)]
    return _table(TRAINING, training), _table(DECODING, decoding)


def _training(block: Mapping[str, Any]) -> Iterable[tuple[str, ...]]:
    hidden = str(block["hidden"])
    for row, seconds in block["seconds"].items():
        yield (
            hidden, row, number(1000 * seconds, 1), number(block["times_ours"][row], 2),
            number(block["first_seconds"][row], 1), number(block["peak_bytes"][row] / 2**20),
            ", ".join(number(loss, 3) for loss in block["losses"][row]),
        )  # fmt: skip
    for row, reason in block["absent"].items():
        yield hidden, _text(row), f"not run: {_text(reason)}", "", "", "", ""


def _decoding(block: Mapping[str, Any]) -> Iterable[tuple[str, ...]]:
    size = str(block["hidden"]), str(block["batch"])
    speeds, batch = block["tokens_per_second"], block["batch"]
    for row, speed in speeds.items():
        same = block["same"][row]
        parts = f", parts at token {same['parts_at']}" if same["parts_at"] else ""
        text = f"{same['equal']} of {batch}{parts}"
        yield *size, row, number(speed), number(speed / speeds[OURS], 2), text
    for row, reason in block["absent"].items():
        yield *size, row, f"not run: {_text(reason)}", "", ""


def _table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    columns = tuple(columns)
    lines = [columns, ("---",) * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(text: str) -> str:
    """What comes from a file, so that it makes neither markup nor a cell."""
    return html.escape(text, quote=False).replace("|", "\\|")
