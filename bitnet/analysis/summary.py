"""The results in Markdown, as README.md and results/README.md quote them."""

from collections.abc import Mapping, Sequence

import pandas as pd

from bitnet.analysis.counts import checklist, column_heads, final_counts
from bitnet.analysis.hypotheses import answers_by_size, hypotheses
from bitnet.analysis.markdown import listed, tabulated, wrapped
from bitnet.analysis.phenomena import DECISIVE, DECOUPLED, agreement, phenomena
from bitnet.analysis.statistics import final_intervals, paired_differences
from bitnet.analysis.verdict import judge
from bitnet.arms import FIX
from bitnet.evaluation.measures import MEASURES
from bitnet.runs.grid import Grid
from bitnet.runs.history import History
from bitnet.scales import FULL, MINIATURE, full_length

__all__ = ["faithfulness", "headline", "measures_table", "runs_table", "summary"]

_IN_RUNS_TABLE = (
    "unique_predictions", "unique_tokens", "effective_tokens", "context_information", "val_loss",
    "seq_rep_4",
)  # fmt: skip
_OVER_SEEDS = ("unique_tokens", "effective_tokens", "context_information", "val_loss", "seq_rep_4")
_IN_HEADLINE = ("unique_predictions", "unique_tokens", "val_loss", "seq_rep_4")


def headline(grid: Grid, histories: Sequence[History]) -> str:
    """What the README says of the full runs: one row an arm and size, then the verdict."""
    verdict, missing = judge(histories, grid.runs), len(_missing(grid, histories))
    left = f" {missing} of the plan's {len(grid.runs)} runs are missing." if missing else ""
    full = [history for history in histories if full_length(history.config)]
    said = f"The registered verdict: **{verdict.answer}**. {verdict.reason}{left}"
    return f"{_ranges(full or histories)}\n\n{wrapped(said)}"


def summary(grid: Grid, histories: Sequence[History]) -> str:
    """All that can be computed of the runs, from their last evaluations to what is missing."""
    verdict = judge(histories, grid.runs)
    sizes = answers_by_size(histories, grid.runs).to_dict("records")
    by_size = [
        f"- hidden {row['hidden']}: **{row['answer']}**: {row['reason']}"
        for row in sizes
        if row["hidden"] != "all"
    ]
    sub_answers = [
        f"{number}. {question} **{answer}**: {reason}."
        for number, (question, answer, reason) in enumerate(verdict.sub_answers, start=1)
    ]
    others = [
        f"- {row['question']} **{row['answer']}**: {row['reason']}."
        for row in hypotheses(histories, grid.runs).to_dict("records")
    ]
    missing = "\n".join(_missing(grid, histories))
    parts = [
        "### Runs", runs_table(histories),
        "### Over seeds", _over_seeds(histories),
        "### Verdict", wrapped(f"**{verdict.answer}**: {verdict.reason}"), listed(by_size),
        "### The brief's sub-questions", listed(sub_answers),
        wrapped(f"What the 20-prompt probe would have said: {verdict.prompt_probe}"),
        "### The brief's checklist", _checklist(histories),
        "### The other registered readings", listed(others),
        "### Missing", missing or "Nothing: every run of the plan is there.",
    ]  # fmt: skip
    return "\n\n".join(parts)


def faithfulness(miniature: Sequence[History], full: Sequence[History]) -> str:
    """The miniature beside the full runs, phenomenon by phenomenon, and what it rests on.

    The reading is that of `results/PLAN-MINIATURE.md`: the lines in `DECISIVE` have to agree with
    the full runs at the scale's own hidden size.
    """
    here = f"miniature, hidden {MINIATURE.hidden}"
    sizes = {here: _of_hidden(miniature, MINIATURE.hidden)}
    hidden = sorted({history.config.hidden for history in full})
    sizes |= {f"full, hidden {size}": _of_hidden(full, size) for size in hidden}
    pair = agreement({name: sizes[name] for name in (here, f"full, hidden {FULL.hidden}")})
    lacking = [row.phenomenon for row in pair.itertuples()
               if row.phenomenon in DECISIVE and row.agree != "yes"]  # fmt: skip
    said = (
        f"**Faithful in the phenomenon**: the {len(DECISIVE)} lines that decide it, by the plan, "
        f"agree with the full runs at hidden {FULL.hidden}."
    )
    if lacking:
        said = f"**Not faithful in the phenomenon**, by the plan: {'; '.join(lacking)}."
    rests = [f"- {p.name}: **{p.answer}** ({p.evidence})." for p in phenomena(sizes[here])]
    column = f"agrees with hidden {FULL.hidden}"
    table = agreement(sizes).drop(columns="agree").assign(**{column: pair.agree})
    parts = [
        "### Where they differ", listed(_differences(pair)),
        "### Phenomenon by phenomenon", tabulated(table), wrapped(said),
        "### AdamW minus the fix, pair by pair", _leads(sizes),
        "### What the miniature's answers rest on", listed(rests),
    ]  # fmt: skip
    return "\n\n".join(parts)


def _differences(pair: pd.DataFrame) -> list[str]:
    """A line for each phenomenon that is not the same at both sizes."""
    first, second = pair.columns[1:3]
    return [
        f"- {row['phenomenon']}: {row[first]} ({first}); {row[second]} ({second})."
        for row in pair.to_dict("records")
        if row["agree"] == "no"
    ] or ["- Nothing that was looked at."]


def _leads(sizes: Mapping[str, Sequence[History]]) -> str:
    """How far AdamW ends from the fix in loss and repetition, at each size."""
    tables = [
        paired_differences(histories, DECOUPLED, FIX, ("val_loss", "seq_rep_4")).assign(at=name)
        for name, histories in sizes.items()
    ]
    return tabulated(pd.concat(tables)[["at", "measure", "pairs", "each"]])


def _of_hidden(histories: Sequence[History], hidden: int) -> list[History]:
    """The full-length runs at one hidden size."""
    return [h for h in histories if h.config.hidden == hidden and full_length(h.config)]


def runs_table(histories: Sequence[History]) -> str:
    """One row a run: arm, hidden, steps, seed, and what its last evaluation found."""
    heads = column_heads(histories)
    columns = {MEASURES[name].column: heads[name] for name in _IN_RUNS_TABLE}
    counts = final_counts(histories)
    order = ["order"] if "order" in counts else []
    counts = counts[["arm", "hidden", "step", "seed", *order, *columns, "state", "checks"]]
    shown = {MEASURES[name].column: MEASURES[name].text for name in _IN_RUNS_TABLE}
    counts = counts.assign(**{column: counts[column].map(text) for column, text in shown.items()})
    return tabulated(counts.rename(columns={**columns, "step": "steps"}))


def measures_table() -> str:
    """Every measure: its column, its name in files, what it is, what to read it against."""
    rows = [
        {
            "measure": m.column,
            "in files": f"`{m.name}`",
            "what it is": m.meaning,
            "unit": m.unit,
            "read it against": ", ".join(m.levels.values()) or "0",
            "learning makes it": m.better or "neither",
        }
        for m in MEASURES.values()
    ]
    return tabulated(pd.DataFrame(rows))


def _ranges(histories: Sequence[History]) -> str:
    """One row an arm and size: the least and the greatest of its runs."""
    heads, counts = column_heads(histories), final_counts(histories)
    rows = []
    for (arm, hidden), group in counts.groupby(["arm", "hidden"], sort=False):
        row: dict[str, object] = {"arm": arm, "hidden": hidden, "runs": len(group)}
        for name in _IN_HEADLINE:
            values, decimals = group[MEASURES[name].column], MEASURES[name].decimals
            ends = dict.fromkeys(f"{value:.{decimals}f}" for value in (values.min(), values.max()))
            row[heads[name]] = " to ".join(ends)
        rows.append(row | {"checks": ", ".join(dict.fromkeys(group.checks))})
    return tabulated(pd.DataFrame(rows))


def _over_seeds(histories: Sequence[History]) -> str:
    """Mean and interval of the last evaluation, for what was trained with several seeds."""
    found = {measure: final_intervals(histories, measure) for measure in _OVER_SEEDS}
    table = found["val_loss"][["arm", "hidden", "steps", "seeds"]].copy()
    for measure, intervals in found.items():
        table[MEASURES[measure].column] = [
            f"{row.mean:.3g} [{row.low:.3g}, {row.high:.3g}]" for row in intervals.itertuples()
        ]
    table = table[table.seeds > 1]
    if not len(table):
        return "One seed each so far: no interval."
    return f"Mean [95 % bootstrap interval of the mean] at the last step.\n\n{tabulated(table)}"


def _checklist(histories: Sequence[History]) -> str:
    """The milestones of every full-length run of the fix."""
    runs = [h for h in histories if h.complete and h.config.arm == FIX]
    runs = [h for h in runs if full_length(h.config)]
    if not runs:
        return f"No complete run of {FIX}."
    first = ["hidden", "seed", *(["order"] if any(h.config.order for h in runs) else [])]
    tables = [
        checklist(h).assign(**{name: getattr(h.config, name) for name in first}) for h in runs
    ]
    table = pd.concat(tables)
    placed = (
        "The brief's steps 5k and 6k belong to a run of 10 000 steps; here they are placed as far "
        "from the switch."
    )
    rest = [column for column in table if column not in first]
    return f"{wrapped(f'Runs of `{FIX}`. {placed}')}\n\n{tabulated(table[first + rest])}"


def _missing(grid: Grid, histories: Sequence[History]) -> list[str]:
    """One item of a list for every run of the plan that is not there complete."""
    there = {history.config for history in histories if history.complete}
    return [f"- {run.label()}" for run in grid.runs if run not in there]
