"""The baselines: those of the committed runs are what is computed, and are found for them alone."""

import json
from dataclasses import replace

import pytest

from bitnet import ParameterError, Probe, load_corpus
from bitnet.analysis import baselines as module
from bitnet.analysis.baselines import BASELINES, FILE, baselines, beaten, in_bits, read_against
from bitnet.analysis.results import load_results
from bitnet.committed import CHECKOUT
from bitnet.runs.history import HistoryError
from bitnet.scales import MINIATURE
from tests.support.histories import history

ROWS = json.loads(FILE.read_text())


@pytest.fixture(scope="module")
def miniature():
    return load_results(CHECKOUT / MINIATURE.results, seed=0)[0]


@pytest.mark.parametrize("row", ROWS, ids=[f"{row['vocabulary']} tokens" for row in ROWS])
def test_the_committed_file_is_what_the_text_gives(row):
    corpus = load_corpus(row["corpus"], row["vocabulary"], log=lambda line: None)
    found = baselines(corpus, row["probe_positions"], row["sequence_length"])
    assert found == {
        name: pytest.approx(value, abs=2e-6) if isinstance(value, float) else value
        for name, value in row.items()
    }


def test_it_has_a_row_for_every_committed_run_which_agrees_with_its_references(committed):
    for folder in (MINIATURE.results, "results/exploratory-runs"):
        committed = [*committed, *load_results(CHECKOUT / folder)]
    for run in committed:
        assert "bigram_loss" not in run.references
        known = read_against(run)
        assert run.references.items() <= known.items()
        assert known["ln_vocabulary"] > known["unigram_loss"] > known["bigram_loss"]
        assert known["bigram_loss"] > known["trigram_loss"] > 0
        (row,) = (r for r in ROWS if r["fingerprint"] == run.manifest["corpus"]["fingerprint"])
        for name in ("ln_vocabulary", "unigram_loss"):
            assert row[name] == pytest.approx(run.references[name], abs=1e-6)


def test_other_positions_and_other_texts_have_none(miniature):
    for changes in ({"probe_positions": 512}, {"sequence_length": 64}):
        other = replace(miniature, config=replace(miniature.config, **changes))
        assert read_against(other) == miniature.references
    made_up = history("l2-0.0")
    assert read_against(made_up) == made_up.references


def test_a_runs_own_references_come_first(miniature):
    own = replace(miniature, references={**miniature.references, "bigram_loss": 1.0})
    assert read_against(own)["bigram_loss"] == 1.0


def test_outside_a_checkout_there_are_none(miniature, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FILE", tmp_path / "baselines.json")
    assert read_against(miniature) == miniature.references


def test_they_are_of_the_positions_of_the_probe(corpus):
    found = baselines(corpus, 310, 16)
    probe = Probe.from_corpus(corpus, 310, 16)
    assert found["positions"] == probe.windows[:, 1:].numel() == 315
    for name in BASELINES:
        assert found[name] == pytest.approx(probe.references[name], abs=1e-6)
    bits = in_bits(found)
    assert bits.keys() == BASELINES.keys()
    # 11 = log2 of 2048 tokens, shared among the bytes of one.
    assert bits["ln_vocabulary"] == pytest.approx(11 / found["bytes_a_token"], abs=1e-5)


def test_a_text_that_is_another_by_now_is_refused(corpus, monkeypatch):
    monkeypatch.setattr(module, "load_corpus", lambda *_: corpus)
    with pytest.raises(HistoryError, match="wikipedia-sample is another text here than the one"):
        module.of_the_committed()


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ((0, 32), "probe_positions = 0: must be a whole number of at least 1"),
        ((62, 1), "sequence_length = 1: must be a whole number from 2 to 1024"),
    ],
)
def test_positions_that_cannot_be_are_one_line(corpus, asked, line):
    with pytest.raises(ParameterError) as error:
        baselines(corpus, *asked)
    assert str(error.value) == line


@pytest.mark.parametrize(
    ("loss", "best"),
    [
        (9.0, "no baseline"), (8.0, "ln V, a uniform prediction"), (6.5, "unigram model"),
        (5.0, "bigram model"), (4.0, "trigram model"),
    ],
)  # fmt: skip
def test_the_best_baseline_that_a_run_beats(loss, best):
    known = {"ln_vocabulary": 8.3, "unigram_loss": 7.0, "bigram_loss": 5.1, "trigram_loss": 4.6}
    found = history("l2-0.0", last={"val_loss": loss})
    assert beaten(replace(found, references={**found.references, **known})) == best


@pytest.mark.parametrize("text", ["{}", "[1]", '[{"fingerprint": "f"}]', "[", "[" * 99])
def test_a_file_that_is_none_of_baselines_is_refused_in_one_line(tmp_path, monkeypatch, text):
    (tmp_path / "baselines.json").write_text(text)
    monkeypatch.setattr(module, "FILE", tmp_path / "baselines.json")
    with pytest.raises(HistoryError, match=r"baselines\.json: not the committed baselines"):
        read_against(history("l2-0.0"))
