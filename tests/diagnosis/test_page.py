"""docs/diagnose.md says what the code, the benchmarks' files and the committed runs say."""

import json
from pathlib import Path

import pytest

from bitnet.analysis import cause
from bitnet.analysis.early import quantities
from bitnet.diagnosis.alarms import ALARMS
from bitnet.diagnosis.findings import (
    DEAD_TOKENS,
    GUESSING,
    LARGE_TIED,
    MOVED,
    MOVED_DOWN,
    SETTLED,
)
from bitnet.diagnosis.sample import LEAST, LENGTH, POSITIONS
from bitnet.diagnosis.watch import EVERY, WATCHED
from bitnet.diagnosis.weights import DEAD_ROW, WINDOWS
from bitnet.evaluation import diversity
from bitnet.runs.table import read_table

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "diagnose.md").read_text()


def results(name):
    return json.loads((ROOT / "results" / f"bench-{name}.json").read_text())


def rows_under(head):
    """The rows of the table with that head."""
    lines = PAGE.splitlines()
    start = lines.index(head) + 2
    end = next(i for i, line in enumerate(lines[start:], start) if not line.startswith("|"))
    return lines[start:end]


def of_faults():
    rows = []
    for case in results("faults")["cases"]:
        fault, count, of = case["fault"], case["warnings"], len(case["seeds"])
        named = f"{count.get(fault, 0)} of {of}" if fault else ""
        said = ", ".join(f"{subject} {n}" for subject, n in count.items()) or "none"
        rows.append(f"| {case['model']} | {fault} | {named} | {said} |")
    return rows


def of_the_watch():
    facts = results("watch")
    assert (facts["every"], facts["positions"]) == (EVERY, WATCHED)
    return [
        f"| {r['hidden']} | {r['vocabulary']} | {r['batch']} | {r['update']:.0f} | {r['look']:.0f} "
        f"| {100 * r['share']:.2f} % |"
        for r in facts["sizes"]
    ]


def of_the_alarms():
    reads = {"entropy": "predictive entropy over ln V", "information": "mutual information, nats"}
    warns = {"entropy": "above", "information": "below"}
    return [
        f"| {reads[a.quantity]} | {100 * a.share:.0f} % of the updates | {warns[a.quantity]} "
        f"{a.threshold:g} | {a.rang} | {a.right} (precision {a.right / a.rang:.2f}) "
        f"| {a.down - a.right} of {a.down} (recall {a.right / a.down:.2f}) |"
        for a in ALARMS
    ]


@pytest.mark.parametrize(
    ("head", "rows"),
    [
        ("| model | fault | named | all warnings |", of_faults),
        ("| hidden | vocabulary | batch | update, ms | look, ms | cost |", of_the_watch),
        ("| it reads | after | it warns | rang | of these ended down | missed |", of_the_alarms),
    ],
)
def test_tables_are_those_of_the_files_and_the_code(head, rows):
    assert rows_under(head) == rows()


def test_a_healthy_model_was_never_warned_of_and_a_look_costs_less_than_3_percent():
    cases = results("faults")["cases"]
    healthy = [case for case in cases if not case["fault"]]
    assert len(healthy) == 8
    assert all(case["warnings"] == {} for case in healthy)
    assert all(row["share"] < 0.03 for row in results("watch")["sizes"])


def test_the_thresholds_of_the_page_are_those_of_the_code():
    page = " ".join(PAGE.split())
    for text in (
        f"at least {LEAST:,} tokens".replace(",", " "),
        f"about {POSITIONS:,} positions".replace(",", " "),
        f"in windows of {LENGTH} tokens",
        f"that of {WINDOWS} windows",
        f"at least {100 * diversity.DEAD_ENTROPY_SHARE:.0f} % of ln V",
        f"below {diversity.COLLAPSED_CONTEXT_INFORMATION} nats, or one token wins more than "
        f"{100 * diversity.COLLAPSED_TOP1_SHARE:.0f} %",
        f"by more than {MOVED} nats; by more than {MOVED_DOWN} if after {SETTLED} updates",
        f"at least {100 * DEAD_TOKENS:.0f} % have a row with less than {100 * DEAD_ROW:.0f} % of",
        f"more than {GUESSING} nats above ln V",
        f"entries above {LARGE_TIED} (root",
        f"every {EVERY} updates at {WATCHED} positions",
        f"have {diversity.DIVERSE_UNIQUE_TOKENS} tokens to be diverse",
    ):
        assert text in page


def test_the_threshold_of_the_entropy_lies_as_close_to_a_run_as_the_page_says():
    chosen_on, others = cause._alarms(read_table(cause.TABLE))
    entropy = ALARMS[0]
    assert chosen_on
    values = [quantities(history, entropy.step(6000))["entropy"] for history in others]
    nearest = min(values, key=lambda value: abs(value - entropy.threshold))
    assert nearest < entropy.threshold
    assert f"({nearest:.4f} beside {entropy.threshold})" in PAGE
