"""`bitnet passages`, and the same in Python."""

import json
import shutil

import pytest

import bitnet
from bitnet.__main__ import main
from bitnet.evaluation.passages import MEASURED
from bitnet.runs.history import seal

FEW = ("--passages", "6", "--tokens", "20")


@pytest.fixture
def folder(study):
    return next(study[1].glob("adamw-0.0*"))


def test_the_command_prints_three_rows_and_an_example(folder, capsys):
    capsys.readouterr()
    assert main(["passages", str(folder), *FEW]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "6 held-out openings of 16 tokens, 20 added to each."
    assert lines[2].startswith("The model was trained at 32 tokens; from there on")
    starts = [line for line in lines if line.startswith(("greedy ", "nucleus 0.9 ", "the text "))]
    assert [len(line.split()) for line in starts] == [7, 8, 8]  # the name, and six measures
    for name in ("opening", "greedy", "nucleus 0.9", "the text"):
        assert any(line.startswith(f"{name}: ") for line in lines)


def test_nothing_is_cut_in_a_terminal_of_80_columns(folder, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    capsys.readouterr()
    main(["passages", str(folder), *FEW])
    table = capsys.readouterr().out.partition("In per cent")[0].splitlines()[3:]
    assert len(table) == 2 + 3 * 2
    assert not any("…" in line for line in table)
    assert max(map(len, table)) <= 80


def test_as_json_it_is_the_table_of_python(folder, capsys):
    capsys.readouterr()
    assert main(["passages", str(folder), *FEW, "--json", "--seed", "3"]) == 0
    facts = json.loads(capsys.readouterr().out)
    found = bitnet.load(folder).passages(6, 20, 3, log=lambda line: None)
    assert facts["table"] == found.table().to_dict("records")
    assert (facts["passages"], facts["asked"], facts["tokens"]) == (6, 6, 20)
    assert len(facts["table"]) == 3 * len(MEASURED)


def test_fewer_than_asked_for_are_said_to_be_fewer(folder, capsys):
    capsys.readouterr()
    assert main(["passages", str(folder), "--passages", "100000", "--tokens", "500"]) == 0
    assert "100000 were asked for; the held-out text has no more." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--passages", "1"], "passages = '1': must be a whole number of at least 2"),
        (["--tokens", "8"], "tokens = '8': must be a whole number from 16 to 1008"),
        (["--seed", "x"], "seed = 'x': must be a whole number from 0 to 2147483647"),
    ],
)
def test_bad_options_end_in_one_line(folder, capsys, options, line):
    capsys.readouterr()
    assert main(["passages", str(folder), *options]) == 1
    assert capsys.readouterr().err == f"ParameterError: {line}\n"


def test_a_text_that_has_changed_is_refused(study, lines, tmp_path, capsys):
    shutil.copytree(next(study[1].glob("adamw-0.0*")), tmp_path / "run")
    manifest = tmp_path / "run" / "manifest.json"
    facts = json.loads(manifest.read_text())
    facts["corpus"]["fingerprint"] = "another"
    manifest.write_text(json.dumps(facts | {"sha256": seal(facts)}))
    capsys.readouterr()
    assert main(["passages", str(tmp_path / "run"), *FEW]) == 1
    said = capsys.readouterr().err
    assert said.startswith("HistoryError: ")
    assert f"was trained on another text than {lines} is now" in said
    assert said.count("\n") == 1
