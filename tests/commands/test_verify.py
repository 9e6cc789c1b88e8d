"""`bitnet verify`: an answer on one's own text, in the order in which it is wanted."""

import json

import pytest

from bitnet import History, ParameterError, load_corpus
from bitnet.__main__ import main

ORDER = (
    "Does Stage-2 weight decay 0.0 cure", "nconclusive here (hidden 16, 300 tokens, 16 steps)",
    "The registered full runs: works here (full: hidden 256 and 512", "Not compared",
    "Does it stay diverse", "Is it the same at every size?", "Are more changes needed?",
    "The 20-prompt probe", "report.html",
)  # fmt: skip


@pytest.fixture
def said(study, capsys):
    capsys.readouterr()
    assert main(["verdict", str(study[2])]) == 0
    return " ".join(capsys.readouterr().out.split())


def test_a_study_of_ones_own_text_ends_well(study, lines):
    code, runs, _ = study
    assert code == 0
    found = [History.load(path.parent) for path in runs.glob("*/manifest.json")]
    assert {history.config.arm for history in found} == {"l2-0.05", "l2-0.0", "adamw-0.0"}
    assert all(history.complete for history in found)
    assert {h.manifest["corpus"]["fingerprint"] for h in found} == {
        load_corpus(str(lines), 300).fingerprint
    }


def test_the_answer_comes_first_and_the_path_of_the_report_last(said):
    places = [said.find(part) for part in ORDER]
    assert -1 not in places, ORDER[places.index(-1)]
    assert places == sorted(places)


def test_the_verdict_as_data_says_the_same(study, said):
    facts = json.loads((study[2] / "verdict.json").read_text())
    assert facts["answer"] == "inconclusive"
    assert facts["scale"] == "none"
    assert facts["in_words"][1:] in said
    assert facts["beside_full"]["answer"] in said
    assert facts["beside_full"]["alike"] == []
    assert facts["recommended"].startswith(
        "Held-out loss and repeated greedy 4-grams at hidden 128"
    )
    assert facts["recommended"] in said
    assert all(question in said for question, _, _ in facts["sub_answers"])


def test_a_second_time_nothing_is_trained(study, lines, capsys):
    code, runs, report = study
    before = {path: path.stat().st_mtime_ns for path in runs.glob("*/*.csv")}
    where = ("--corpus", str(lines), "--runs-dir", str(runs), "--report-dir", f"{report}.again")
    sizes = ("--hidden", "16", "--steps", "16", "--vocabulary", "300", "--device", "cpu")
    assert main(["verify", *sizes, *where, "--probe-positions", "62"]) == code
    assert "Measuring" not in capsys.readouterr().out
    assert before == {path: path.stat().st_mtime_ns for path in runs.glob("*/*.csv")}


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--scale", "tiny"], "scale = 'tiny': must be one of auto, full, miniature"),
        (["--vocabulary", "255"], "vocabulary = 255: must be a whole number from 256 to 65535"),
        (["--vocabulary", "70000"], "vocabulary = 70000: must be a whole number from 256 to"),
        (["--vocabulary", "60000"], "vocabulary = 60000: must be at most"),
        (["--order", "-1"], "order = '-1': must be a whole number from 0"),
        (["--hidden", "10"], "hidden = 10: must be a multiple of 8"),
        (["--corpus", "nowhere.txt"], "corpus = 'nowhere.txt': no such file"),
        (["--workers", "0"], "workers = '0': must be a whole number from 1 to 1024"),
    ],
)
def test_bad_options_end_in_one_line_and_train_nothing(tmp_path, lines, capsys, options, line):
    given = [] if "--corpus" in options else ["--corpus", str(lines)]
    where = ("--runs-dir", str(tmp_path / "runs"), "--report-dir", str(tmp_path / "report"))
    assert main(["verify", *given, *where, *options]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"{ParameterError.__name__}: {line}")
    assert said.count("\n") == 1
    assert not (tmp_path / "runs").exists()
