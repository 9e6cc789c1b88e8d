"""The page of a report, made of the pieces of explorer and story; it opens offline."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from bitnet.analysis import cure
from bitnet.analysis.answer import Comparison, in_words, size_in_words
from bitnet.analysis.counts import checklist, column_heads, final_counts
from bitnet.analysis.preflight import Finding
from bitnet.analysis.results import RESULTS, load_plan, survey
from bitnet.analysis.verdict import Verdict, judge
from bitnet.arms import BROKEN
from bitnet.display.explorer import full_runs
from bitnet.display.numbers import decimal, whole
from bitnet.display.pages import player, render
from bitnet.display.training_charts import loss_chart, probe_chart, tokens_chart
from bitnet.evaluation.measures import MEASURES, MISSING
from bitnet.runs.history import History, HistoryError
from bitnet.runs.plan import Plan

__all__ = ["report_page"]


def report_page(
    question: str,
    plan: Plan,
    histories: Sequence[History],
    findings: Sequence[Finding],
    verdict: Verdict,
    beside: Comparison | None,
) -> str:
    """The page as HTML, with the committed runs of full length `beside` the study's own."""
    configs = [history.config for history in histories]
    labels = [config.label(configs) for config in configs]
    checklists = [_table(checklist(history), [history]) for history in histories]
    # The broken setting is drawn first, so that a line over it is seen.
    evaluated = sorted((h for h in histories if h.evaluated), key=lambda h: h.config.arm != BROKEN)
    charts = [tokens_chart(evaluated), loss_chart(evaluated), probe_chart(evaluated)]
    return render(
        "report.html.j2",
        question=question,
        size=size_in_words(histories),
        plan=plan,
        verdict=verdict,
        said=in_words(histories, verdict),
        beside=beside,
        findings=findings,
        data=player(histories),
        runs=list(zip(labels, histories, strict=True)),
        final=_table(final_counts(histories), histories),
        checklists=list(zip(labels, checklists, strict=True)),
        assessments=list(zip(labels, verdict.assessments, strict=True)),
        charts=charts if evaluated else [],
        marks={True: "yes", False: "NO", None: "open"},
        committed=_committed(),
        recommended=_recommended(),
    )


def _committed() -> dict[str, Any] | None:
    """The verdict of the committed runs and three of them to look at; None without them."""
    if not RESULTS.is_dir():
        return None
    try:
        registered = load_plan()
        histories, found = survey(registered)
        return {
            "verdict": judge(histories, registered.runs),
            "complete": int((found.found == "complete").sum()),
            "planned": len(found),
            "data": player(full_runs(among=histories)),
            "final": _table(final_counts(histories), histories),
        }
    except HistoryError:
        return None


def _recommended() -> dict[str, Any] | None:
    """The recipe to use instead, by its committed runs; None outside a checkout."""
    if not (runs := cure.ladder_runs()):
        return None
    return {
        "said": cure.in_words(runs),
        "loss": loss_chart(runs),
        "data": player(survey(cure.kept_whole(), cure.TABLE)[0]),
    }


def _table(table: pd.DataFrame, histories: Sequence[History]) -> dict[str, Any]:
    """Heads and rows of a table of counts as texts; what is not there is a dash."""
    heads = column_heads(histories)
    named = {MEASURES[name].column: name for name in heads}
    named |= {head: name for name, head in heads.items()}
    return {
        "heads": [heads.get(named.get(head, ""), head) for head in table.columns],
        "rows": [
            [_cell(value, named.get(head)) for head, value in row.items()]
            for row in table.to_dict("records")
        ],
    }


def _cell(value: object, measure: str | None) -> str:
    if isinstance(value, str):
        return value
    if not isinstance(value, int | float) or value != value:
        return MISSING
    return decimal(value, MEASURES[measure].decimals) if measure else whole(value)
