"""Many runs as one table: what was written is read back, and damage is named."""

import hashlib
import json
from dataclasses import replace

import pandas as pd
import pytest

from bitnet import History, HistoryError
from bitnet.runs.history import seal
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


def reseal(folder, name, change):
    """Change the text of a file as a stranger could: every checksum is right."""
    (folder / name).write_text(change((folder / name).read_text()))
    facts = json.loads((folder / "facts.json").read_text())
    sums = facts["sha256"] | {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in ("runs.csv", "evaluations.csv")
    }
    facts["sha256"] = sums | {"facts.json": seal(facts)}
    (folder / "facts.json").write_text(json.dumps(facts))


@pytest.mark.parametrize(
    ("name", "old", "new", "why"),
    [
        ("facts.json", '"tokens": 12345', '"tokens": -1', "tokens must be bigger"),
        ("facts.json", '"unigram_loss"', '"bigram_loss"', "references.0. must contain"),
        ("facts.json", '"precision": "float32"', '"precision": 7', "precision must be string"),
        ("facts.json", '"versions": [', '"more": [', "facts.json must contain"),
        ("runs.csv", ",complete,", ",finished,", "status must be one of"),
        ("runs.csv", "\n1,", "\n7,", "must be numbered from 0"),
        ("runs.csv", "32,8,1,wiki", "32,8,1e99,wiki", "seed = "),
        ("runs.csv", "l2-0.0,32,8,0", "adamw-0.0,32,8,0", "is of adamw-0.0-h32-t8-s0"),
        ("runs.csv", ",1,wikipedia", ",0,wikipedia", "is of l2-0.0-h32-t8-s0"),
        ("runs.csv", ",0,0,0,0,l2", ",0,0,0,9,l2", "no references of number 9"),
        ("runs.csv", ",0,0,0,0,l2", ",0,0,-1,0,l2", "versions must be bigger"),
        ("evaluations.csv", "\n1,4,", "\n2,4,", "has a run that is not in runs.csv"),
        ("evaluations.csv", "\n1,4,", "\n1,9,", "its steps must rise, from 1 to 8"),
        ("evaluations.csv", "\n1,4,7", "\n1,4,x", "something else than numbers"),
        ("evaluations.csv", ",3,60,", ",3,60.5,", "must be whole numbers"),
        ("evaluations.csv", "val_loss", "loss_val", "not in index"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused_in_one_line(
    histories, tmp_path, name, old, new, why
):
    folder = tmp_path / "table"
    write_table(histories, folder)
    assert old in (folder / name).read_text()
    reseal(folder, name, lambda text: text.replace(old, new, 1))
    with pytest.raises(HistoryError, match=why) as error:
        read_table(folder)
    assert "\n" not in str(error.value)


def test_a_text_with_a_number_for_its_name_keeps_it(histories, tmp_path):
    named = replace(histories[0], config=replace(histories[0].config, corpus="007"))
    write_table([named], tmp_path / "table")
    assert read_table(tmp_path / "table")[0].config.corpus == "007"


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(HistoryError, match="not a readable table of runs"):
        read_table(tmp_path)
