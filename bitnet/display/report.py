"""The report of a study: traces, `verdict.json`, and one HTML page that opens offline."""

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bitnet import checks, files
from bitnet.analysis import cure
from bitnet.analysis.answer import beside_full, in_words
from bitnet.analysis.counts import final_counts
from bitnet.analysis.preflight import Finding
from bitnet.analysis.verdict import Verdict
from bitnet.checks import first_line
from bitnet.config import RunConfig
from bitnet.display.report_folder import PAGE, TRACES, VERDICT, place_for
from bitnet.display.report_page import report_page
from bitnet.runs.history import VOCABULARY_FILE, History, HistoryError
from bitnet.runs.plan import Plan
from bitnet.runs.schema import check_verdict

__all__ = ["QUESTION", "TRACE_FILES", "read_report", "write_report"]

QUESTION = "Does Stage-2 weight decay 0.0 cure degenerate decoding in BitNet b1.58 training?"

TRACE_FILES = ("trace.csv", "measures.csv", "health.csv", "snapshots.jsonl", "manifest.json")


def write_report(
    folder: str | Path,
    plan: Plan,
    histories: Sequence[History],
    findings: Sequence[Finding],
    verdict: Verdict,
) -> Path:
    """Write the bundle to `folder`, whole or not at all, and return the folder.

    An earlier report there is moved aside as `claim_report` does it.

    Raises: `HistoryError` if `folder` holds something else or cannot be written.
    """
    folder = checks.path("report_dir", folder)
    with place_for(folder) as partial:
        (partial / TRACES).mkdir()
        for history in histories:
            _copy_traces(history, partial / TRACES)
        beside = beside_full(histories, verdict)
        page = report_page(QUESTION, plan, histories, findings, verdict, beside)
        (partial / PAGE).write_text(page, encoding="utf-8")
        facts = _facts(histories, findings, verdict)
        facts["beside_full"] = None if beside is None else beside.to_dict()
        facts["recommended"] = cure.in_words(cure.ladder_runs())
        (partial / VERDICT).write_text(json.dumps(facts, indent=1) + "\n")
        partial.replace(os.path.realpath(folder))
    return folder


def read_report(folder: str | Path) -> dict[str, Any]:
    """The facts of `verdict.json`, held to what a report has.

    Raises: `HistoryError` where there is no report, or one of an earlier version.
    """
    path, remedy = checks.path("folder", folder) / VERDICT, "run 'make verify' first"
    try:
        facts = files.read_json(path)
    except (OSError, ValueError) as error:
        raise HistoryError(
            f"{folder}: no finished report here ({first_line(error)}); {remedy}"
        ) from error
    try:
        return check_verdict(facts, name_prefix=VERDICT)
    except ValueError as error:
        problem = f"damaged, or of an earlier version of bitnet ({first_line(error)})"
        raise HistoryError(f"{folder}: a report that is {problem}; {remedy}") from error


def _copy_traces(history: History, folder: Path) -> None:
    assert history.folder is not None
    for name in (*TRACE_FILES, VOCABULARY_FILE):
        if name == VOCABULARY_FILE and not (history.folder / name).exists():
            continue  # GPT-2's
        shutil.copyfile(history.folder / name, folder / f"{history.config.name}-{name}")


def _sizes(configs: Sequence[RunConfig]) -> dict[str, int | list[int]]:
    """Each size that the runs have in common, or all of them."""
    names = ("hidden", "vocabulary", "steps")
    found = {name: sorted({getattr(config, name) for config in configs}) for name in names}
    return {name: all_[0] if len(all_) == 1 else all_ for name, all_ in found.items()}


def _facts(
    histories: Sequence[History], findings: Sequence[Finding], verdict: Verdict
) -> dict[str, Any]:
    """What `verdict.json` holds; its runs and the verdict's assessments are in the same order."""
    configs = [history.config for history in histories]
    evaluated = [history.config for history in histories if history.evaluated]
    counts = final_counts(histories).to_dict("records")
    return {
        "question": QUESTION,
        "in_words": in_words(histories, verdict),
        **verdict.to_dict(),
        **_sizes(configs),
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
