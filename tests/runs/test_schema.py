"""What a stranger may write into the files of a run, with every checksum right."""

import json

import pytest

from bitnet import History, HistoryError
from bitnet.runs.history import read_manifest
from tests.support.runs import REFERENCES, SAID, WRITTEN, reseal, write

CHANGED = [
    {"references": {}}, {"references": REFERENCES | {"ln_vocabulary": "much"}},
    {"references": REFERENCES | {"ln_vocabulary": 10**400}}, {"references": []},
    {"files": []}, {"files": {}}, {"files": {"/dev/zero": "0" * 64}}, {"files": {"trace.csv": 1}},
    {"status": "<img src=x>"}, {"status": None}, {"format": "3"}, {"format": []},
    {"config": []}, {"config": {}}, {"config": WRITTEN.to_dict() | {"seed": 1}},
    {"config": WRITTEN.to_dict() | {"hidden": {}}},
    {"identity": "../../etc"}, {"identity": 7}, {"identity": WRITTEN.name},
    {"corpus": {}}, {"corpus": None}, {"device": {"kind": "cpu"}}, {"versions": {"torch": 2}},
    {"sessions": "many"}, {"stage1": 3}, {"last_step": -1}, {"model_sha256": ["0"]},
]  # fmt: skip


def refused(folder):
    with pytest.raises(HistoryError) as error:
        History.load(folder)
    assert "\n" not in str(error.value)
    assert str(folder) in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("changed", CHANGED, ids=lambda changed: f"{changed}"[:50])
def test_a_manifest_that_is_none_is_refused_in_one_line(tmp_path, changed):
    write(tmp_path / "run", [1, 8])
    reseal(tmp_path / "run")
    assert History.load(tmp_path / "run").complete  # it is the change that is refused
    reseal(tmp_path / "run", **changed)
    refused(tmp_path / "run")


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a":' * 200_000, "[]", "7", '"x"', "", "\0"])
def test_json_that_is_no_manifest_is_refused_in_one_line(tmp_path, text):
    write(tmp_path / "run", [1, 8])
    (tmp_path / "run" / "manifest.json").write_text(text)
    refused(tmp_path / "run")
    assert read_manifest(tmp_path / "run") is None


SPOILED = [
    {"top_tokens": []}, {"top_tokens": [[262, 0.2]]}, {"top_tokens": "x"},
    {"continuations": []}, {"continuations": [[262, "the"]]}, {"continuations": [[50257]]},
    {"next_tokens": [[[-1, 0.5]]]}, {"abundances": None}, {"more": 1},
]  # fmt: skip


@pytest.mark.parametrize("spoiled", SPOILED, ids=str)
def test_a_snapshot_that_is_none_is_refused_in_one_line(tmp_path, spoiled):
    write(tmp_path / "run", [1, 8])
    path = tmp_path / "run" / "snapshots.jsonl"
    path.write_text(f"{json.dumps(vars(SAID))}\n{json.dumps(vars(SAID) | spoiled)}\n")
    reseal(tmp_path / "run")
    assert "snapshots.jsonl" in refused(tmp_path / "run")
