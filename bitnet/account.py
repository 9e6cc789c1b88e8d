"""The account of the evidence in Markdown, as README.md and results/README.md quote it."""

from collections.abc import Sequence
from pathlib import Path

from bitnet.history import History
from bitnet.plan import PLAN_STEPS
from bitnet.readings import answers_by_size, readings
from bitnet.sweep import Sweep
from bitnet.verdict import final_counts, judge

__all__ = ["account", "headline", "quote", "runs_table"]

_COLUMNS = {
    "seed's probe": "seed's probe (of 20)", "unique tokens": "unique tokens (of {ceiling:.0f})",
    "effective tokens": "effective tokens", "context (nats)": "context (nats)", "held-out loss": "held-out loss",
    "state": "state", "checks": "checks",
}  # fmt: skip


def headline(sweep: Sweep, histories: Sequence[History]) -> str:
    """What the first screen of the README says: the runs as long as the plan, the verdict, how many are missing."""
    verdict = judge(histories, sweep.runs)
    missing = len(_missing(sweep, histories))
    left = f" {missing} of the plan's {len(sweep.runs)} runs are missing." if missing else ""
    full = [history for history in histories if history.config.steps >= PLAN_STEPS]
    return f"{runs_table(full or histories)}\n\n**{verdict.answer}**: {verdict.reason}{left}"


def account(sweep: Sweep, histories: Sequence[History]) -> str:
    """Everything that can be computed: the runs, the verdict by size, the sub-questions, the readings, what is missing."""
    verdict = judge(histories, sweep.runs)
    sizes = answers_by_size(histories, sweep.runs).to_dict("records")
    parts = [
        "### Runs", runs_table(histories),
        "### Verdict", f"**{verdict.answer}**: {verdict.reason}",
        "\n".join(f"- hidden {row['hidden']}: **{row['answer']}**: {row['reason']}" for row in sizes if row["hidden"] != "all"),
        "### The brief's sub-questions",
        "\n".join(f"{i}. {asked} **{answer}**: {reason}." for i, (asked, answer, reason) in enumerate(verdict.sub_answers, 1)),
        f"What the seed's own probe would have said: {verdict.seed_probe}",
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
    ceiling = histories[0].references["unique_tokens_ceiling"]
    heads = ["arm", "hidden", "steps", "seed", *(head.format(ceiling=ceiling) for head in _COLUMNS.values())]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for row in final_counts(histories).to_dict("records"):
        cells = [f"`{row['arm']}`", row["hidden"], row["step"], row["seed"], *(row[name] for name in _COLUMNS)]
        lines.append(f"| {' | '.join(map(str, cells))} |")
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
