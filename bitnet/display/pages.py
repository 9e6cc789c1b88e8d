"""Pages that open offline, made of one set of pieces: explorer, story and report."""

from collections import Counter
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup

from bitnet.analysis.hypotheses import RIVAL
from bitnet.arms import BROKEN, FIX
from bitnet.data import Corpus
from bitnet.display.moments import BARS, FACTS, PASSAGES, moment_at, moments, steps_of
from bitnet.display.numbers import decimal, measured, percent, whole
from bitnet.display.training_charts import timeline
from bitnet.evaluation.diversity import OPENING, Probe
from bitnet.evaluation.measures import MEASURES
from bitnet.runs.history import History

__all__ = ["player", "render"]

# The arms that are shown first: with two places they are the broken setting and the fix.
_FIRST = (BROKEN, FIX, RIVAL)
PLACES = 3  # runs side by side


def render(template: str, **values: Any) -> str:
    """A template of `bitnet/display` with these values; every text in it is escaped."""
    return _environment().get_template(template).render(**values)


def player(
    histories: Sequence[History], corpus: Corpus | None = None, most: int | None = None
) -> dict[str, Any]:
    """What the piece `player` shows: runs side by side at one step of their training.

    Runs that were never evaluated are left out. The broken setting, the fix and AdamW stand first.
    With `corpus`, the openings that were continued are shown too. What is more than `most` runs is
    not shown, and said to be missing.
    """
    evaluated = _in_order([history for history in histories if history.evaluated])
    shown = evaluated[:most]
    openings: list[str] = []
    if corpus is not None:
        passages = Probe.from_corpus(corpus).passages[:, :OPENING].tolist()
        words = corpus.vocabulary
        openings = [
            words.decode(passages[i]).replace("\n", "⏎ ") for i in PASSAGES if i < len(passages)
        ]
    steps, runs = steps_of(shown), moments(shown)
    chart = timeline(shown)
    for step in steps:
        step["across"] = chart.across(step["step"])
    return {
        "chart": chart,
        "steps": steps,
        "places": min(PLACES, len(shown)),
        "bars": BARS,
        "facts": [MEASURES[name].column for name in FACTS],
        "runs": runs,
        "openings": openings,
        "missing": len(evaluated) - len(shown),
        "script": {"steps": steps, "runs": runs},
    }


def _in_order(histories: Sequence[History]) -> list[History]:
    """One run of each arm, the first arms first; then the second run of each, and so on."""
    rank = {arm: number for number, arm in enumerate(_FIRST)}
    seen: Counter[str] = Counter()
    keys = []
    for history in histories:
        arm = history.config.arm
        keys.append((seen[arm], rank.get(arm, len(rank))))
        seen[arm] += 1
    order = sorted(range(len(keys)), key=lambda number: keys[number])
    return [histories[number] for number in order]


@cache
def _environment() -> jinja2.Environment:
    def source(name: str) -> str:
        return (files("bitnet.display") / name).read_text(encoding="utf-8")

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, loader=jinja2.FunctionLoader(source),
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {
        "whole": whole, "decimal": decimal, "percent": percent, "measured": measured,
        "attribute": _attribute,
    }  # fmt: skip
    # As short as can be: a notebook holds it.
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
    environment.globals["moment_at"] = moment_at
    return environment


def _attribute(page: str) -> Markup:
    """A page as the value of an attribute in single quotes: its many double ones stay as short."""
    return Markup(str(page).replace("&", "&amp;").replace("'", "&#39;"))
