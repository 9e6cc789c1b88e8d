"""The evaluations of a run: tables that hold what a run leaves, and nothing else."""

import pytest

from bitnet import History, HistoryError
from tests.support.runs import record, reseal, write, writer_in


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("measures.csv", "\n8,7.0,", "\n8,much,"),
        ("measures.csv", ",60,", ",sixty,"),
        ("measures.csv", ",60,", ",60.5,"),
        ("measures.csv", ",60,", ",inf,"),
        ("measures.csv", "step,", "steps,"),
        ("measures.csv", "\n8,", "\n1,"),
        ("measures.csv", "\n8,", "\n9,"),
        ("measures.csv", "\n1,", "\n0,"),
        ("health.csv", "\n8,", "\n7,"),
        ("health.csv", "0.25", "True"),
        ("snapshots.jsonl", "}\n", "}"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused_in_one_line(tmp_path, name, old, new):
    write(tmp_path / "run", [1, 8])
    path = tmp_path / "run" / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    reseal(tmp_path / "run")
    with pytest.raises(HistoryError) as error:
        History.load(tmp_path / "run")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("steps", [[4, 1], [4, 4], [0, 8], [1, 9]])
def test_steps_that_do_not_rise_to_the_last_are_refused(tmp_path, steps):
    with pytest.raises(HistoryError, match="its steps must rise, from 1 to 8"):
        write(tmp_path / "run", steps)


def test_of_a_run_that_is_killed_between_two_files_the_evaluation_before_counts(tmp_path):
    writer = writer_in(tmp_path / "run").__enter__()
    writer(record(1))
    kept = (tmp_path / "run" / "health.csv").read_text()
    writer(record(4))
    (tmp_path / "run" / "health.csv").write_text(kept)
    history = History.load(tmp_path / "run")
    assert history.measures.step.tolist() == history.health.step.tolist() == [1]
    assert len(history.snapshots) == 1
