"""The report of a study: traces, `verdict.json`, and one HTML page that opens offline."""

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bitnet.analysis.counts import final_counts
from bitnet.analysis.preflight import Finding
from bitnet.analysis.verdict import Verdict
from bitnet.display.report_page import report_page
from bitnet.evaluation.measures import MEASURES
from bitnet.runs.history import History, HistoryError
from bitnet.runs.plan import Plan

__all__ = ["QUESTION", "print_report", "read_report", "retire_report", "write_report"]

QUESTION = "Does Stage-2 weight decay 0.0 cure degenerate decoding in BitNet b1.58 training?"

_TRACES = ("trace.csv", "measures.csv", "health.csv", "snapshots.jsonl", "manifest.json")
_MEASURES = ("unique_predictions", "unique_tokens", "effective_tokens", "val_loss")
_FILES = (("report.html", "opens offline in a browser"), ("verdict.json", ""),
          ("traces", "what each run left"))  # fmt: skip


def retire_report(folder: str | Path) -> None:
    """Move an earlier report to FOLDER.previous before a study starts.

    So a study that dies leaves no report that could be taken for its own.

    Raises: `HistoryError` if `folder` holds something else.
    """
    folder = Path(folder)
    known = (folder / "verdict.json").exists()
    if folder.exists() and not known and (not folder.is_dir() or any(folder.iterdir())):
        raise HistoryError(f"{folder}: holds other files and no report; choose another report_dir")
    if known:
        previous = folder.with_name(f"{folder.name}.previous")
        if (previous / "verdict.json").exists():
            shutil.rmtree(previous)
        folder.rename(previous)


def write_report(
    folder: str | Path,
    plan: Plan,
    histories: Sequence[History],
    findings: Sequence[Finding],
    verdict: Verdict,
) -> Path:
    """Write the bundle to `folder`, whole or not at all, and return the folder.

    An earlier report there becomes FOLDER.previous.

    Raises: `HistoryError` if `folder` exists and is not a report.
    """
    folder = Path(folder)
    retire_report(folder)
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(partial, ignore_errors=True)
    (partial / "traces").mkdir(parents=True)
    for history in histories:
        assert history.folder is not None
        for name in _TRACES:
            target = partial / "traces" / f"{history.config.name}-{name}"
            shutil.copyfile(history.folder / name, target)
    page = report_page(QUESTION, plan, histories, findings, verdict)
    (partial / "report.html").write_text(page, encoding="utf-8")
    facts = _facts(plan, histories, findings, verdict)
    (partial / "verdict.json").write_text(json.dumps(facts, indent=1) + "\n")
    if folder.exists():
        folder.rmdir()  # empty, or retire_report would have refused
    partial.replace(folder)
    return folder


def read_report(folder: str | Path) -> dict[str, Any]:
    """The facts of `verdict.json`.

    Raises: `HistoryError` where there is no report, or one of an earlier version.
    """
    path, remedy = Path(folder) / "verdict.json", "run 'make verify' first"
    try:
        facts = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise HistoryError(f"{folder}: no finished report here ({error}); {remedy}") from error
    if "prompt_probe" not in facts:
        raise HistoryError(f"{folder}: a report of an earlier version of bitnet; {remedy}")
    return facts


def print_report(folder: str | Path, console: Console | None = None) -> None:
    """Print the verdict of a report with its reasons, the final counts, and where its files are."""
    facts = read_report(folder)
    console = console or Console(highlight=False)
    console.print(_counts_table(facts), _outcomes_table(facts))
    answer = facts["answer"].upper()
    console.print(f"\n[bold]{facts['question']}\n{answer}[/bold]: {facts['reason']}\n")
    for question, answer, reason in facts["sub_answers"]:
        console.print(f"- {question} [bold]{answer}[/bold]: {reason}")
    console.print(f"- The 20-prompt probe: {facts['prompt_probe']}\n")
    for name, what in _FILES:
        console.print(f"  {Path(folder) / name}  {what}".rstrip(), soft_wrap=True)


def _counts_table(facts: dict[str, Any]) -> Table:
    title = f"Final token counts: hidden {facts['hidden']}, {facts['steps']} steps"
    table = Table(title=title, title_justify="left")
    columns = [*(MEASURES[name].column for name in _MEASURES), "state"]
    table.add_column("run", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right")
    for row in facts["final_counts"]:
        table.add_row(row["run"], *(str(row[column]) for column in columns))
    return table


def _outcomes_table(facts: dict[str, Any]) -> Table:
    table = Table(title="Checks", title_justify="left")
    for column in ("run", "outcome", "what it fails, or leaves open"):
        table.add_column(column)
    for run, assessment in zip(facts["runs"], facts["assessments"], strict=True):
        not_passed = [
            check["name"] + (" (open)" if check["passed"] is None else "")
            for check in assessment["checks"]
            if not check["passed"]
        ]
        table.add_row(run["run"], assessment["outcome"], "; ".join(not_passed))
    return table


def _facts(
    plan: Plan, histories: Sequence[History], findings: Sequence[Finding], verdict: Verdict
) -> dict[str, Any]:
    """What `verdict.json` holds; its runs and the verdict's assessments are in the same order."""
    configs = [history.config for history in histories]
    evaluated = [history.config for history in histories if history.evaluated]
    counts = final_counts(histories).to_dict("records")
    return {
        "question": QUESTION,
        **verdict.to_dict(),
        "hidden": plan.hidden,
        "steps": plan.steps,
        "findings": [vars(finding) for finding in findings],
        "final_counts": [
            {"run": config.label(configs), **row}
            for config, row in zip(evaluated, counts, strict=True)
        ],
        "runs": [
            {
                "run": history.config.label(configs),
                "folder": str(history.folder),
                "status": history.status,
                "complete": history.complete,
            }
            for history in histories
        ],
    }
