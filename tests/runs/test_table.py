"""Many runs as one table: what was written is read back, and damage is named."""

from dataclasses import replace

import pandas as pd
import pytest

from bitnet import History, HistoryError
from bitnet.runs.table import read_table, write_table
from tests.support.runs import REFERENCES, WRITTEN, record, writer_in

TEXT = {"name": "a text"}


@pytest.fixture
def histories(tmp_path):
    found = []
    for seed in (0, 1):
        config = replace(WRITTEN, seed=seed)
        with writer_in(tmp_path / str(seed), {"corpus": TEXT}, config=config) as writer:
            for step in (1, 4, 8):
                writer(record(step, val_loss=7.0 - step / 3 + seed))
        found.append(History.load(tmp_path / str(seed)))
    return found


def test_runs_are_read_back_to_six_digits(histories, tmp_path):
    write_table(histories, tmp_path / "table")
    found = read_table(tmp_path / "table")
    for old, new in zip(histories, found, strict=True):
        assert new.config == old.config
        assert new.complete
        assert new.references == REFERENCES
        assert new.states.tolist() == old.states.tolist()
        pd.testing.assert_frame_equal(new.measures, old.measures, rtol=1e-5, check_dtype=False)
        pd.testing.assert_frame_equal(new.health, old.health, rtol=1e-5, check_dtype=False)
        assert new.manifest["corpus"] == old.manifest["corpus"]
        assert new.manifest["identity"] == old.manifest["identity"]


def test_a_run_that_diverged_before_its_first_evaluation_is_in_it(histories, tmp_path):
    lost = replace(histories[1], status="diverged", measures=histories[1].measures[:0],
                   health=histories[1].health[:0])  # fmt: skip
    write_table([histories[0], lost], tmp_path / "table")
    found = read_table(tmp_path / "table")
    assert [len(run.measures) for run in found] == [3, 0]


def test_what_runs_share_is_written_once(histories, tmp_path):
    write_table(histories, tmp_path / "table")
    text = (tmp_path / "table" / "facts.json").read_text()
    assert text.count("a text") == 1


@pytest.mark.parametrize("name", ["runs.csv", "evaluations.csv", "facts.json"])
def test_a_damaged_table_is_named(histories, tmp_path, name):
    folder = tmp_path / "table"
    write_table(histories, folder)
    (folder / name).write_text((folder / name).read_text()[:-9])
    with pytest.raises(HistoryError, match=r"table: not a readable table of runs \("):
        read_table(folder)


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(HistoryError, match="not a readable table of runs"):
        read_table(tmp_path)
