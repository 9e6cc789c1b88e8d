"""The second plan's page: from a runs folder into the table, and from there into words."""

from dataclasses import replace

import pytest

from bitnet.analysis import cause as module
from bitnet.analysis.boundary import Boundaries
from bitnet.analysis.cause import (
    TABLE,
    Forecast,
    cause,
    collect_table,
    further_pairs,
    planned,
    warnings,
)
from bitnet.analysis.dose import cells
from bitnet.runs.table import read_table
from tests.support.histories import DEAD, HEALTHY, MINIATURE, history
from tests.support.runs import record, writer_in


class Known(Forecast):
    """Boundaries that need no text."""

    def boundaries(self, config):
        return Boundaries(dead=0.07, gains=0.0016)

    def foretell(self, vocabulary, decay):
        return 7.0


def test_the_plan_is_the_registered_one():
    runs = planned()
    assert len(runs) >= 84
    assert len(set(runs)) == len(runs)
    assert {run.steps for run in runs} == {6000}
    assert {(run.seed, run.order) for run in runs[:84]} == {(0, 0)}


def test_finished_runs_of_the_plan_join_the_table_once(tmp_path, monkeypatch):
    wanted = [replace(run, steps=8) for run in planned()[:3]]
    monkeypatch.setattr(module, "planned", lambda: tuple(wanted))
    for run, last in zip(wanted, (8, 4, 8), strict=True):  # the second is cut short
        folder = tmp_path / "runs" / f"{run.name}-{'0' * 10}"
        with writer_in(folder, {"identity": folder.name}, config=run) as writer:
            for step in (1, 4, 8)[: 3 if last == 8 else 2]:
                writer(record(step))
    table = tmp_path / "table"
    assert collect_table(tmp_path / "runs", table) == [
        f"{wanted[0].name}-{'0' * 10}", f"{wanted[2].name}-{'0' * 10}"
    ]  # fmt: skip
    assert [h.config for h in read_table(table)] == [wanted[0], wanted[2]]
    assert collect_table(tmp_path / "runs", table) == []
    assert collect_table(tmp_path / "nothing", table) == []
    assert len(read_table(table)) == 2


def test_the_further_pairs_are_those_of_cells_at_a_boundary():
    ends = {"l2-0.0+decay=0.03": HEALTHY, "l2-0.1": DEAD, "adamw-0.0+decay=0.1": HEALTHY}
    runs = [history(arm, stage1=end, stage2=end, **MINIATURE) for arm, end in ends.items()]
    found = further_pairs(runs, Known())
    assert [(run.arm, run.seed, run.order) for run in found] == [
        (arm, pair, pair) for pair in (1, 2, 3) for arm in ("l2-0.0+decay=0.03", "l2-0.1")
    ]


def test_without_runs_to_judge_it_by_there_is_no_early_warning():
    assert len(warnings([history("l2-0.1", stage1=DEAD, stage2=DEAD, **MINIATURE)])) == 0


@pytest.fixture(scope="module")
def committed():
    return read_table(TABLE)


def test_the_committed_page_says_what_the_table_says(committed):
    """Rebuilt from the table, with the boundaries of every vocabulary that its runs have."""
    page = (TABLE.parent / "CAUSE.md").read_text()
    assert cause(committed, Forecast()) in page


def test_every_committed_run_is_of_the_plan_and_came_to_its_end(committed):
    assert {history.config for history in committed} <= set(planned())
    assert all(history.complete or history.status == "diverged" for history in committed)
    assert len(cells(committed, Known().predict)) > 0
