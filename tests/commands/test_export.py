"""`bitnet export`: a committed run, written for transformers and described in lines."""

from pathlib import Path

import pytest

from bitnet.__main__ import main

RUNS = Path(__file__).parents[2] / "results" / "miniature-runs"
pytestmark = pytest.mark.long("transformers")


@pytest.fixture
def committed_run():
    return next(RUNS.glob("adamw-0.0-*/weights-*.safetensors")).parent


def test_a_committed_run_is_exported(committed_run, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["export", str(committed_run), str(out), "--packed"]) == 0
    said = capsys.readouterr()
    assert said.err == ""  # not a word of transformers' own
    assert said.out.startswith(f"{out}: adamw-0.0, hidden 64, ")
    assert "\nours, embeddings moved by one bit: median " in said.out
    assert "State: **diverse**" in (out / "README.md").read_text()


def test_a_target_that_is_taken_is_refused_in_one_line(committed_run, tmp_path, capsys):
    (tmp_path / "mine").write_text("kept")
    assert main(["export", str(committed_run), str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("ParameterError: out = ")
    assert said.count("\n") == 1
    assert (tmp_path / "mine").read_text() == "kept"
