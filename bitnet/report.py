"""The report of a study: traces, `verdict.json`, and one HTML page that opens offline with its plots working."""

import json
import os
import shutil
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import jinja2
import pandas as pd
import plotly.graph_objects as go
from rich.console import Console
from rich.table import Table

from bitnet.findings import Finding
from bitnet.history import History, HistoryError
from bitnet.plan import Plan
from bitnet.plots import brief_probe_figure, diversity_figure, loss_figure
from bitnet.verdict import Verdict, checklist, final_counts

__all__ = ["print_report", "read_report", "retire_report", "write_report"]

_TERMINAL_COLUMNS = ("brief's probe", "unique tokens", "effective tokens", "held-out loss", "state")

QUESTION = "Does Stage-2 weight decay 0.0 cure degenerate decoding in BitNet b1.58 training?"


def retire_report(folder: str | Path) -> None:
    """Move an earlier report to FOLDER.previous before a study starts.

    So a study that dies leaves no report that could be taken for its own. Errors: `HistoryError` if `folder` holds
    something else.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / "verdict.json").exists())):
        raise HistoryError(f"{folder}: holds other files and no report; choose another report_dir")
    if (folder / "verdict.json").exists():
        previous = folder.with_name(f"{folder.name}.previous")
        if (previous / "verdict.json").exists():
            shutil.rmtree(previous)
        folder.rename(previous)


def write_report(
    folder: str | Path, plan: Plan, histories: Sequence[History], findings: Sequence[Finding], verdict: Verdict
) -> Path:
    """Write the bundle to `folder`, whole or not at all; an earlier report there becomes FOLDER.previous.

    Returns the folder. Errors: `HistoryError` if `folder` exists and is not a report.
    """
    folder = Path(folder)
    retire_report(folder)
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(partial, ignore_errors=True)
    (partial / "traces").mkdir(parents=True)
    for history in histories:
        assert history.folder is not None
        for name in ("trace.csv", "measures.csv", "health.csv", "snapshots.jsonl", "manifest.json"):
            target = partial / "traces" / f"{history.config.arm}-h{history.config.hidden}-s{history.config.seed}-{name}"
            shutil.copyfile(history.folder / name, target)
    (partial / "report.html").write_text(_page(plan, histories, findings, verdict), encoding="utf-8")
    facts = {
        "question": QUESTION,
        **verdict.to_dict(),
        "hidden": plan.hidden,
        "steps": plan.steps,
        "findings": [vars(finding) for finding in findings],
        "final_counts": final_counts(histories).to_dict("records"),
        "runs": [{"folder": str(h.folder), "status": h.status, "complete": h.complete} for h in histories],
    }
    (partial / "verdict.json").write_text(json.dumps(facts, indent=1) + "\n")
    if folder.exists():
        folder.rmdir()  # empty, or retire_report would have refused
    partial.replace(folder)
    return folder


def read_report(folder: str | Path) -> dict:
    """The facts of `verdict.json`. Errors: `HistoryError` where there is no report."""
    path = Path(folder) / "verdict.json"
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise HistoryError(f"{folder}: no finished report here ({error}); run 'make verify' first") from error


def print_report(folder: str | Path, console: Console | None = None) -> None:
    """The verdict of a report, its reasons and the final counts, as tables in the terminal; then where its files are."""
    facts = read_report(folder)
    console = console or Console(highlight=False)
    counts = Table(title=f"Final token counts: hidden {facts['hidden']}, {facts['steps']} steps", title_justify="left")
    counts.add_column("arm, seed", no_wrap=True)
    for column in _TERMINAL_COLUMNS:
        counts.add_column(column, justify="right")
    for row in facts["final_counts"]:
        counts.add_row(f"{row['arm']}, {row['seed']}", *(str(row[column]) for column in _TERMINAL_COLUMNS))
    outcomes = Table(title="Checks", title_justify="left")
    for column in ("arm, seed", "outcome", "what it fails, or leaves open"):
        outcomes.add_column(column)
    for a in facts["assessments"]:
        not_passed = [c["name"] + (" (open)" if c["passed"] is None else "") for c in a["checks"] if not c["passed"]]
        outcomes.add_row(f"{a['arm']}, {a['seed']}", a["outcome"], "; ".join(not_passed))
    console.print(counts, outcomes)
    console.print(f"\n[bold]{facts['question']}\n{facts['answer'].upper()}[/bold]: {facts['reason']}\n")
    for question, answer, reason in facts["sub_answers"]:
        console.print(f"- {question} [bold]{answer}[/bold]: {reason}")
    console.print(f"- The brief's own probe: {facts['brief_probe']}\n")
    for name, what in (("report.html", "opens offline in a browser"), ("verdict.json", ""), ("traces", "what each run left")):
        console.print(f"  {Path(folder) / name}  {what}".rstrip(), soft_wrap=True)


def _page(plan: Plan, histories: Sequence[History], findings: Sequence[Finding], verdict: Verdict) -> str:
    """The report as one HTML page, plotly's script included once; every text in it is escaped."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string((files("bitnet") / "report.html.j2").read_text(encoding="utf-8"))
    figures = [diversity_figure(histories), loss_figure(histories), brief_probe_figure(histories)]
    return template.render(
        question=QUESTION,
        plan=plan,
        verdict=verdict,
        findings=findings,
        histories=histories,
        mark=_mark,
        final=_html_table(final_counts(histories)),
        checklists=[(h.config, _html_table(checklist(h))) for h in histories],
        figures=[_html_figure(figure, first=i == 0) for i, figure in enumerate(figures)],
        manifest=histories[0].manifest,
    )


def _html_table(table: pd.DataFrame) -> str:
    return table.to_html(index=False, border=0, na_rep="")


def _html_figure(figure: go.Figure, first: bool) -> str:
    return figure.to_html(full_html=False, include_plotlyjs=first)


def _mark(passed: bool | None) -> str:
    return {True: "yes", False: "NO", None: "open"}[passed]
