"""The account of the evidence in Markdown, as README.md and results/README.md quote it."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from bitnet.arms import FIX
from bitnet.effects import final_intervals
from bitnet.history import History
from bitnet.plan import PLAN_STEPS
from bitnet.readings import answers_by_size, readings
from bitnet.sweep import Sweep
from bitnet.verdict import checklist, final_counts, judge

__all__ = ["account", "headline", "quote", "runs_table"]

_COLUMNS = {
    "brief's probe": "brief's probe (of 20)", "unique tokens": "unique tokens (of {ceiling:.0f})",
    "effective tokens": "effective tokens", "context (nats)": "context (nats)", "held-out loss": "held-out loss",
    "repeated 4-grams": "repeated 4-grams (text: {text:.2f})", "state": "state", "checks": "checks",
}  # fmt: skip
_OVER_SEEDS = {
    "unique_tokens": "unique tokens", "effective_tokens": "effective tokens", "context_information": "context (nats)",
    "val_loss": "held-out loss", "seq_rep_4": "repeated 4-grams",
}  # fmt: skip


def headline(sweep: Sweep, histories: Sequence[History]) -> str:
    """What the first screen of the README says: the runs as long as the plan, the verdict, how many are missing."""
    verdict = judge(histories, sweep.runs)
    missing = len(_missing(sweep, histories))
    left = f" {missing} of the plan's {len(sweep.runs)} runs are missing." if missing else ""
    full = [history for history in histories if history.config.steps >= PLAN_STEPS]
    return f"{runs_table(full or histories)}\n\n**{verdict.answer}**: {verdict.reason}{left}"


def account(sweep: Sweep, histories: Sequence[History]) -> str:
    """Everything that can be computed of the runs, from their last evaluations to the verdict and what is missing."""
    verdict = judge(histories, sweep.runs)
    sizes = answers_by_size(histories, sweep.runs).to_dict("records")
    parts = [
        "### Runs", runs_table(histories),
        "### Over seeds", _over_seeds(histories),
        "### Verdict", f"**{verdict.answer}**: {verdict.reason}",
        "\n".join(f"- hidden {row['hidden']}: **{row['answer']}**: {row['reason']}" for row in sizes if row["hidden"] != "all"),
        "### The brief's sub-questions",
        "\n".join(f"{i}. {asked} **{answer}**: {reason}." for i, (asked, answer, reason) in enumerate(verdict.sub_answers, 1)),
        f"What the brief's own probe would have said: {verdict.brief_probe}",
        "### The brief's checklist", _checklist(histories),
        "### The other registered readings",
        "\n".join(
            f"- {row['question']} **{row['answer']}**: {row['reason']}."
            for row in readings(histories, sweep.runs).to_dict("records")
        ),
        "### Missing", "\n".join(_missing(sweep, histories)) or "Nothing: every run of the plan is there.",
    ]  # fmt: skip
    return "\n\n".join(parts)


def runs_table(histories: Sequence[History]) -> str:
    """One row a run: arm, hidden, steps, seed, and what its last evaluation found."""
    references = histories[0].references
    known = {"ceiling": references["unique_tokens_ceiling"], "text": references["human_seq_rep_4"]}
    heads = {name: head.format(**known) for name, head in _COLUMNS.items()}
    counts = final_counts(histories)[["arm", "hidden", "step", "seed", *heads]]
    counts["effective tokens"] = counts["effective tokens"].map("{:.1f}".format)
    return _table(counts.rename(columns=heads | {"step": "steps"}))


def _over_seeds(histories: Sequence[History]) -> str:
    """Mean and interval of the last evaluation, for what was trained with several seeds."""
    found = {measure: final_intervals(histories, measure) for measure in _OVER_SEEDS}
    table = found["val_loss"][["arm", "hidden", "steps", "seeds"]]
    for measure, intervals in found.items():
        table[_OVER_SEEDS[measure]] = [f"{row.mean:.3g} [{row.low:.3g}, {row.high:.3g}]" for row in intervals.itertuples()]
    table = table[table.seeds > 1]
    if not len(table):
        return "One seed each so far: no interval."
    return f"Mean [95 % bootstrap interval of the mean] at the last step.\n\n{_table(table)}"


def _checklist(histories: Sequence[History]) -> str:
    """The brief's checkpoints of every full-length run of the fix."""
    runs = [h for h in histories if h.complete and h.config.arm == FIX and h.config.steps >= PLAN_STEPS]
    if not runs:
        return f"No complete run of {FIX}."
    table = pd.concat(checklist(h).assign(hidden=h.config.hidden, seed=h.config.seed) for h in runs)
    first = ["hidden", "seed"]
    said = "The brief's steps 5k and 6k belong to a run of 10 000 steps; here they are placed as far from the switch."
    return f"Runs of `{FIX}`. {said}\n\n{_table(table[first + [c for c in table if c not in first]])}"


def _table(frame: pd.DataFrame) -> str:
    """A Markdown table; arms are set as code, numbers with two decimals."""
    lines = [f"| {' | '.join(frame.columns)} |", "|---" * len(frame.columns) + "|"]
    for row in frame.to_dict("records"):
        cells = [
            f"`{cell}`" if name == "arm" else f"{cell:.2f}" if isinstance(cell, float) else str(cell)
            for name, cell in row.items()
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def quote(path: Path, text: str) -> bool:
    """Put `text` between the two marks of a document; whether that changed it. Errors: `ValueError` without the marks."""
    before = path.read_text()
    opening, closing = "<!-- from the evidence: make evidence -->\n", "\n<!-- end -->"
    head, mark, rest = before.partition(opening)
    _, end, tail = rest.partition(closing)
    if not mark or not end:
        raise ValueError(f"{path} has no place for the evidence between {opening.strip()} and {closing.strip()}")
    after = f"{head}{mark}{text}{end}{tail}"
    if after != before:
        path.write_text(after)
    return after != before


def _missing(sweep: Sweep, histories: Sequence[History]) -> list[str]:
    """One item of a list for every run of the plan that is not there complete."""
    there = {history.config for history in histories if history.complete}
    return [f"- `{run.arm}`, hidden {run.hidden}, {run.steps} steps, seed {run.seed}" for run in sweep.runs if run not in there]
