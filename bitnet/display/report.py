"""The report of a study: traces, `verdict.json`, and one HTML page that opens offline."""

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bitnet import checks, files
from bitnet.analysis.answer import beside_full, in_words
from bitnet.analysis.counts import final_counts
from bitnet.analysis.preflight import Finding
from bitnet.analysis.verdict import Verdict
from bitnet.checks import first_line
from bitnet.display.report_page import report_page
from bitnet.runs.history import VOCABULARY_FILE, History, HistoryError
from bitnet.runs.plan import Plan

__all__ = ["QUESTION", "read_report", "retire_report", "write_report"]

QUESTION = "Does Stage-2 weight decay 0.0 cure degenerate decoding in BitNet b1.58 training?"

_TRACES = ("trace.csv", "measures.csv", "health.csv", "snapshots.jsonl", "manifest.json")


def retire_report(folder: str | Path) -> None:
    """Move an earlier report to FOLDER.previous before a study starts.

    So a study that dies leaves no report that could be taken for its own.

    Raises: `HistoryError` if `folder` holds something else.
    """
    folder = checks.path("report_dir", folder)
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
    folder = checks.path("report_dir", folder)
    retire_report(folder)
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(partial, ignore_errors=True)
    (partial / "traces").mkdir(parents=True)
    for history in histories:
        assert history.folder is not None
        for name in (*_TRACES, VOCABULARY_FILE):
            if name == VOCABULARY_FILE and not (history.folder / name).exists():
                continue  # GPT-2's
            target = partial / "traces" / f"{history.config.name}-{name}"
            shutil.copyfile(history.folder / name, target)
    beside = beside_full(histories, verdict)
    page = report_page(QUESTION, plan, histories, findings, verdict, beside)
    (partial / "report.html").write_text(page, encoding="utf-8")
    facts = _facts(plan, histories, findings, verdict)
    facts["beside_full"] = None if beside is None else beside.to_dict()
    (partial / "verdict.json").write_text(json.dumps(facts, indent=1) + "\n")
    if folder.exists():
        folder.rmdir()  # empty, or retire_report would have refused
    partial.replace(folder)
    return folder


def read_report(folder: str | Path) -> dict[str, Any]:
    """The facts of `verdict.json`.

    Raises: `HistoryError` where there is no report, or one of an earlier version.
    """
    path, remedy = checks.path("folder", folder) / "verdict.json", "run 'make verify' first"
    try:
        facts = files.read_json(path)
    except (OSError, ValueError) as error:
        raise HistoryError(
            f"{folder}: no finished report here ({first_line(error)}); {remedy}"
        ) from error
    if "in_words" not in facts:
        raise HistoryError(f"{folder}: a report of an earlier version of bitnet; {remedy}")
    return facts


def _facts(
    plan: Plan, histories: Sequence[History], findings: Sequence[Finding], verdict: Verdict
) -> dict[str, Any]:
    """What `verdict.json` holds; its runs and the verdict's assessments are in the same order."""
    configs = [history.config for history in histories]
    evaluated = [history.config for history in histories if history.evaluated]
    counts = final_counts(histories).to_dict("records")
    return {
        "question": QUESTION,
        "in_words": in_words(histories, verdict),
        **verdict.to_dict(),
        "hidden": plan.hidden,
        "vocabulary": plan.vocabulary,
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
