"""`bitnet baselines`: the losses of n-gram models on a text, printed, as JSON, and published."""

import json

import pytest

from bitnet import History, load_corpus
from bitnet.__main__ import main
from bitnet.analysis.baselines import BASELINES, baselines, in_bits
from bitnet.commands import baselines as module

HERE = ("--vocabulary", "300", "--probe-positions", "62")


def test_losses_are_printed_in_nats_and_bits(lines, capsys):
    assert main(["baselines", str(lines), *HERE]) == 0
    out = capsys.readouterr().out
    found = baselines(load_corpus(str(lines), 300, log=lambda line: None), 62)
    assert "vocabulary 300: " in out
    assert "62 held-out positions" in out
    for name, whose in BASELINES.items():
        (line,) = (line for line in out.splitlines() if line.startswith(whose))
        assert line.split()[-2:] == [f"{found[name]:.3f}", f"{in_bits(found)[name]:.3f}"]


def test_as_json_they_are_those_of_a_run_on_the_text(lines, study, capsys):
    capsys.readouterr()
    assert main(["baselines", str(lines), *HERE, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    run = History.load(next(study[1].glob("l2-0.0-*")))
    for name in (*BASELINES, "bytes_a_token"):
        assert found[name] == pytest.approx(run.references[name], abs=1e-6)
    assert found["fingerprint"] == run.manifest["corpus"]["fingerprint"]
    assert found["bits_per_byte"] == in_bits(found)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["absent.txt"], "corpus = 'absent.txt': no such file or folder"),
        (["{lines}", "--vocabulary", "12"], "vocabulary = '12': must be a whole number from 256"),
        (["{lines}", *HERE[:3], "few"], "probe_positions = 'few': must be a whole number of at"),
        (["{lines}", *HERE, "--sequence-length", "1"], "sequence_length = '1': must be a whole"),
    ],
)
def test_bad_options_end_in_one_line(lines, capsys, options, line):
    assert main(["baselines", *(option.replace("{lines}", str(lines)) for option in options)]) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith(f"ParameterError: {line}")


def test_publishing_writes_the_file_of_the_committed_runs(tmp_path, monkeypatch, capsys):
    rows = [{"corpus": "synthetic", "bigram_loss": 1.0}]
    monkeypatch.setattr(module, "of_the_committed", lambda: rows)
    monkeypatch.setattr(module, "FILE", tmp_path / "baselines.json")
    assert main(["baselines", "--publish"]) == 0
    assert json.loads((tmp_path / "baselines.json").read_text()) == rows
    assert capsys.readouterr().out == "baselines.json: written\n"
