"""A plan's finished runs in a folder join its table, each once, and only those of the plan."""

import pytest

from bitnet.analysis.collection import add_runs, table_of
from bitnet.config import RunConfig
from tests.support.runs import record, writer_in

AS_PLANNED = {"kind": "cpu", "precision": "float32", "threads": 1}
SIZES = {"hidden": 8, "steps": 8}


def test_finished_runs_of_the_plan_join_the_table_once(tmp_path):
    wanted = [RunConfig(arm, **SIZES) for arm in ("no-decay", "l2-0.0", "l2-0.1")]
    for run, last in zip(wanted, (8, 4, 8), strict=True):  # the second is cut short
        folder = tmp_path / "runs" / f"{run.name}-{'0' * 10}"
        facts = {"identity": folder.name, "device": AS_PLANNED}
        with writer_in(folder, facts, config=run) as writer:
            for step in (1, 4, 8)[: 3 if last == 8 else 2]:
                writer(record(step))
    table = tmp_path / "table"
    new = add_runs(wanted, tmp_path / "runs", table)
    assert [history.config for history in new] == [wanted[0], wanted[2]]
    assert [h.config for h in table_of(table)] == [wanted[0], wanted[2]]
    assert add_runs(wanted, tmp_path / "runs", table) == []
    assert add_runs(wanted, tmp_path / "nothing", table) == []
    assert len(table_of(table)) == 2


@pytest.mark.parametrize("other", [{"kind": "cuda"}, {"precision": "bfloat16"}, {"threads": 2}])
def test_a_run_that_was_trained_otherwise_does_not_join(tmp_path, other):
    run = RunConfig("l2-0.0", **SIZES)
    facts = {"device": AS_PLANNED | other}
    with writer_in(tmp_path / "runs" / f"{run.name}-{'0' * 10}", facts, config=run) as writer:
        for step in (1, 8):
            writer(record(step))
    assert add_runs([run], tmp_path / "runs", tmp_path / "table") == []
