"""`bitnet generate`, and the same in Python."""

import pytest

import bitnet
from bitnet.__main__ import main
from bitnet.committed import CHECKOUT


@pytest.fixture
def folder(study):
    return next(study[1].glob("adamw-0.0*"))


def test_the_command_prints_prompt_and_continuation(folder, capsys):
    capsys.readouterr()
    assert main(["generate", str(folder), "the of", "--tokens", "12"]) == 0
    said = bitnet.load(folder).generate("the of", tokens=12)
    assert capsys.readouterr().out == f"the of{said}\n"
    assert said


def test_a_run_is_found_by_the_beginning_of_its_name(study, folder, monkeypatch):
    monkeypatch.setenv("BITNET_RUNS", str(study[1]))
    assert bitnet.load("adamw").history.folder == folder


def test_a_committed_run_is_found_where_there_is_none_of_ones_own(study, tmp_path, monkeypatch):
    monkeypatch.setenv("BITNET_RUNS", str(tmp_path))
    committed = bitnet.load("adamw-0.0-h64").history
    assert committed.folder.parent == CHECKOUT / "results" / "miniature-runs"
    with pytest.raises(
        bitnet.HistoryError, match=r"l2: no folder, and 2 runs begin so in .*results;"
    ):
        bitnet.load("l2")
    monkeypatch.setenv("BITNET_RUNS", str(study[1]))
    assert bitnet.load("adamw").history.folder.parent == study[1]


def test_sampling_depends_on_its_seed_alone(folder):
    trained = bitnet.load(folder)
    sampled = [trained.generate("the", temperature=1.0, seed=seed) for seed in (1, 1, 2)]
    assert sampled[0] == sampled[1] != sampled[2]


@pytest.mark.parametrize(
    ("run", "line"),
    [
        ("l2", "l2: no folder, and 2 runs begin so in"),
        ("nothing", "nothing: no folder, and no run begins so in"),
        ("/no/such/run", "/no/such/run: no folder, and no run begins so in"),
        ("l2-*", "l2-*: no folder, and no run begins so in"),
    ],
)
def test_a_name_of_no_run_or_of_several_is_one_line(study, monkeypatch, capsys, run, line):
    monkeypatch.setenv("BITNET_RUNS", str(study[1]))
    assert main(["generate", run, "the"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"HistoryError: {line}")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--tokens", "0"], "tokens = '0': must be a whole number of at least 1"),
        (["--temperature", "hot"], "temperature = 'hot': must be a number of at least 0.0"),
        (["--top-p", "2"], "top_p = '2': must be a number from 1e-06 to 1.0"),
    ],
)
def test_bad_options_end_in_one_line(folder, capsys, options, line):
    capsys.readouterr()
    assert main(["generate", str(folder), "the", *options]) == 1
    assert capsys.readouterr().err == f"ParameterError: {line}\n"


def test_an_empty_prompt_is_refused(folder):
    with pytest.raises(bitnet.ParameterError, match="prompt = ''"):
        bitnet.load(folder).generate("")
