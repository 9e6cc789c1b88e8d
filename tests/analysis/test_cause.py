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
from bitnet.analysis.dose import DOSES, cells, score
from bitnet.analysis.predictions import RATES
from bitnet.evaluation.diversity import DOWN
from bitnet.recipes import GROUPS
from bitnet.runs.table import read_table
from tests.support.histories import DEAD, HEALTHY, MINIATURE, history
from tests.support.runs import record, writer_in

AS_PLANNED = {"kind": "cpu", "precision": "float32", "threads": 1}


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
        facts = {"identity": folder.name, "device": AS_PLANNED}
        with writer_in(folder, facts, config=run) as writer:
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


@pytest.mark.parametrize("other", [{"kind": "cuda"}, {"precision": "bfloat16"}, {"threads": 2}])
def test_a_run_that_was_trained_otherwise_does_not_join(tmp_path, monkeypatch, other):
    (run, *_) = (replace(run, steps=8) for run in planned()[:1])
    monkeypatch.setattr(module, "planned", lambda: (run,))
    facts = {"device": AS_PLANNED | other}
    with writer_in(tmp_path / "runs" / f"{run.name}-{'0' * 10}", facts, config=run) as writer:
        for step in (1, 8):
            writer(record(step))
    assert collect_table(tmp_path / "runs", tmp_path / "table") == []


def test_the_further_pairs_are_those_of_cells_at_a_boundary():
    ends = {"l2-0.0+decay=0.03": HEALTHY, "l2-0.1": DEAD, "adamw-0.0+decay=0.1": HEALTHY}
    runs = [history(arm, stage1=end, stage2=end, **MINIATURE) for arm, end in ends.items()]
    found = further_pairs(runs, Known())
    assert [(run.arm, run.seed, run.order) for run in found] == [
        (arm, pair, pair) for pair in (1, 2, 3) for arm in ("l2-0.0+decay=0.03", "l2-0.1")
    ]


def test_without_runs_to_judge_it_by_there_is_no_early_warning():
    short = history("l2-0.1", stage1=DEAD, stage2=DEAD, status="stopped", **MINIATURE)
    assert len(warnings([short])) == 0


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


@pytest.fixture(scope="module")
def table(committed):
    """The cells of pair (0, 0)."""
    first = [history for history in committed if history.config.seed == 0]
    return cells(first, Known().predict)


def chosen(table, **where):
    """The cells of the miniature that are so, by coefficient."""
    own = {"vocabulary": 4096, "batch": 256, "decayed": "all", "quantized": True, "rate": 1.5e-3}
    for name, value in (own | where).items():
        if value is not None:
            table = table[table[name] == value]
    return table.sort_values("decay")


def ends(values):
    low, high = f"{min(values):.2f}", f"{max(values):.2f}"
    return low if low == high else f"{low} to {high}"


def test_every_sentence_of_the_page_follows_from_the_table(table):
    page = " ".join((TABLE.parent / "CAUSE.md").read_text().split())
    coupled = chosen(table, kind="coupled").set_index("decay")
    decoupled = chosen(table, kind="decoupled").set_index("decay")
    loss = {decay: f"{value:.2f}" for decay, value in coupled.loss.items()}
    assert f"{loss[0]} nats without decay, {loss[1e-4]} with 0.0001 and {loss[1e-3]}" in page
    assert coupled.state[[0.01, 0.03, 0.1]].tolist() == ["collapsed", "collapsed", "dead"]
    assert coupled.loss[coupled.index > 0].min() > coupled.loss[0]
    assert f"From 0.0001 to 0.1 the loss is {ends(decoupled.loss)}, and every run is" in page
    assert decoupled.index.tolist() == list(DOSES[1:])
    assert set(table[table.kind == "decoupled"].state) == {"diverse"}
    full = chosen(table, kind="coupled", quantized=False).set_index("decay").state
    assert full.isin(DOWN).tolist() == [decay >= 0.01 for decay in DOSES]
    assert full[0.1] == "collapsed"
    for rate in RATES:
        down = chosen(table, kind="coupled", rate=rate).set_index("decay").state.isin(DOWN)
        assert down.index.tolist() == list(DOSES)
        assert down.tolist() == [decay >= 0.01 for decay in DOSES]
    groups = table[table.block == "group"].set_index("decayed").state
    assert not groups[list(GROUPS)].isin(DOWN).any()
    assert coupled.state[0.1] == groups["all-but-embedding"] == "dead"
    others = ["all-but-head", "all-but-ternary", "all-but-norm"]
    assert groups[others].tolist() == ["collapsed"] * 3


def test_the_score_on_the_page_is_that_of_its_own_table(committed):
    page = " ".join((TABLE.parent / "CAUSE.md").read_text().split())
    found = score(cells(committed, Forecast().predict)).set_index("block").loc["dose"]
    said = f"it calls {found.predictor} of {found.cells} cells right, and the best two thresholds"
    assert f"{said} {found['best thresholds']}." in page


def test_what_is_foretold_of_the_loss_is_what_the_page_says(table):
    page = " ".join((TABLE.parent / "CAUSE.md").read_text().split())
    runs = chosen(table, kind="coupled", rate=None)
    of_loss = {decay: ends(runs[runs.decay == decay].loss) for decay in (0.01, 0.03)}
    foretold = {decay: f"{Forecast().foretell(4096, decay):.2f}" for decay in (0.01, 0.03)}
    assert f"have {foretold[0.01]} nats at 0.01, and the ternary runs have {of_loss[0.01]};" in page
    assert f"at 0.03 it would have {foretold[0.03]}, and they have {of_loss[0.03]}." in page
