"""What a live view has seen of its runs, and the tables that show it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import NamedTuple

from bitnet.config import RunConfig
from bitnet.display.theme import STATE_COLOURS, colour
from bitnet.evaluation.measures import MEASURES, MISSING, number

__all__ = ["Evaluated", "Seen", "arms_table", "evaluations_table"]

_CELL = "padding:2px 12px 2px 0;text-align:left;vertical-align:top;line-height:1.4"
_BROKEN = "white-space:normal"
_CHIP = "color:#222;padding:0 6px;border-radius:3px"
_HEADS = ("held-out loss", "state", "distinct tokens")


class Evaluated(NamedTuple):
    """What an evaluation found: state, distinct tokens, held-out loss, one continuation (HTML)."""

    state: str
    tokens: float
    loss: float
    said: str


@dataclass
class Seen:
    """What has been seen of a run: losses of batches, and evaluations, both by step.

    It is trained from update `begins` on; a Stage 1 that it shares is trained by another run.
    """

    losses: dict[int, float] = field(default_factory=dict)
    evaluations: dict[int, Evaluated] = field(default_factory=dict)
    status: str = "waiting"
    begins: int = 0

    @property
    def reached(self) -> int:
        """The step of the newest record."""
        return max(self.losses, default=0)


def arms_table(runs: Mapping[RunConfig, Seen], prompt: str) -> str:
    """HTML, one row a run: how far it is, and what its newest evaluation found.

    `prompt` is what the continuations continue.
    """
    rows, among = [], list(runs)
    for config, seen in runs.items():
        step = f"{number(seen.reached)} of {number(config.steps)}"
        if seen.status == "waiting" and seen.begins > seen.reached:
            # Long, so it may be broken into lines; the texts beside it need their place.
            later = f"begins after step {number(seen.begins)}"
            step += f' <span style="{_BROKEN}">(waiting: Stage 1 is shared, {later})</span>'
        elif seen.status != "training":
            step += f" ({escape(seen.status)})"
        newest = max(seen.evaluations, default=None)
        found = [MISSING] * 4 if newest is None else _found(seen.evaluations[newest])
        loss = number(seen.losses.get(seen.reached), MEASURES["val_loss"].decimals)
        rows.append(_row([_name(config, among), step, loss, *found]))
    says = f"says after \u201c{escape(prompt)}\u201d" if prompt else ""
    return _table(["", "step", "loss of the batch", *_HEADS, says], rows)


def evaluations_table(runs: Mapping[RunConfig, Seen]) -> str:
    """HTML, one row an evaluation, the newest first; "" where there is none."""
    among = list(runs)
    rows = [
        _row([_name(config, among), number(step), *_found(seen.evaluations[step])])
        for config, seen in reversed(list(runs.items()))
        for step in sorted(seen.evaluations, reverse=True)
    ]
    return _table(["every evaluation", "step", *_HEADS, "says"], rows) if rows else ""


def _found(found: Evaluated) -> list[str]:
    """The cells of an evaluation; what a dead network counts is noise, and said to be."""
    tokens = MEASURES["unique_tokens"].text(found.tokens)
    return [
        MEASURES["val_loss"].text(found.loss),
        f'<span style="background:{STATE_COLOURS[found.state]};{_CHIP}">{found.state}</span>',
        f'<span style="opacity:.7">({tokens}, noise)</span>' if found.state == "dead" else tokens,
        found.said,
    ]


def _name(config: RunConfig, among: Sequence[RunConfig]) -> str:
    mark = f'<span style="color:{colour(config.arm)}">\u25cf</span>'
    return f"{mark}&nbsp;{escape(config.label(among))}"


def _row(cells: Sequence[str], tag: str = "td") -> str:
    """A row of a table; only heads and its last cell, a text, are broken into lines."""
    *short, text = cells
    # Heads in one line would leave a narrow column no place for the text.
    one_line = "" if tag == "th" else ";white-space:nowrap"
    inner = "".join(f'<{tag} style="{_CELL}{one_line}">{cell}</{tag}>' for cell in short)
    return f'<tr>{inner}<{tag} style="{_CELL}">{text}</{tag}></tr>'


def _table(heads: Sequence[str], rows: Sequence[str]) -> str:
    return f"<table>{_row(heads, 'th')}{''.join(rows)}</table>"
