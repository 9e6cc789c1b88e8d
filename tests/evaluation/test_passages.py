"""Passages: which openings, what is written after them, and measures whose value is known."""

import dataclasses

import numpy as np
import pytest
import torch

from bitnet import ParameterError, load_corpus
from bitnet.config import BLOCK
from bitnet.decode import continue_prompts, sampling_distribution
from bitnet.evaluation import passages as module
from bitnet.evaluation.passages import (
    GIVEN,
    GREEDY,
    HUMAN,
    MEASURED,
    NUCLEUS,
    TOP_P,
    Passages,
    held_out_passages,
    interval,
    write_passages,
)
from bitnet.evaluation.repetition import TAIL, continuation_measures, distinct_n, seq_rep_n
from tests.support.text import write_lines

LENGTH = GIVEN + 24


@pytest.fixture
def model(model_and_reference, corpus):
    """Double precision, in which no sum depends on how many rows are read together."""
    return model_and_reference(vocab_size=corpus.vocab_size)[0]


def passages_of(*rows):
    ids = torch.tensor(rows)
    return Passages(torch.zeros(len(rows), GIVEN, dtype=torch.long), {HUMAN: ids}, len(rows))


def values_of(found, text=HUMAN):
    rows = found.table().query("text == @text").set_index("measure")
    return rows.value


def test_openings_lie_in_blocks_do_not_overlap_and_are_spread_evenly(corpus):
    found = held_out_passages(corpus, 30, LENGTH)
    assert found.shape == (30, LENGTH)
    starts = {}
    for number, block in enumerate(corpus.held_out.tolist()):
        for start in range(0, BLOCK - LENGTH + 1, LENGTH):
            starts[tuple(block[start : start + LENGTH])] = number * (BLOCK // LENGTH) + start
    assert len(starts) == len(corpus.held_out) * (BLOCK // LENGTH)
    rows = [tuple(row) for row in found.tolist()]
    assert len(set(rows)) == 30
    places = [list(starts).index(row) for row in rows]  # not found: across a seam
    assert places[0] == 0
    assert places[-1] == len(starts) - 1
    assert set(np.diff(places)) <= {len(starts) // 29, len(starts) // 29 + 1}
    assert torch.equal(held_out_passages(corpus, 30, LENGTH), found)


def test_a_text_without_so_many_gives_what_it_has(corpus, model):
    few = dataclasses.replace(corpus, held_out_ids=corpus.held_out_ids[: BLOCK + LENGTH])
    found = write_passages(model, few, 512, 24)
    assert (len(found.openings), found.asked) == (BLOCK // LENGTH + 1, 512)
    none = dataclasses.replace(corpus, held_out_ids=corpus.held_out_ids[: 2 * LENGTH - 1])
    with pytest.raises(ParameterError, match=f"hold out two passages of {LENGTH} tokens, and has"):
        write_passages(model, none, 512, 24)


def test_the_held_out_parts_of_a_text_in_pieces_are_its_pieces(tmp_path, monkeypatch):
    monkeypatch.setenv("BITNET_CACHE", str(tmp_path / "cache"))
    path = write_lines(tmp_path / "lines.txt")
    text = path.read_text() * 4
    path.write_text(text)
    pieces, start = [], 0
    while start < len(text):
        end = text.find("\n", start + 4096) + 1 or len(text)
        pieces.append(text[start:end])
        start = end
    for _ in ("made", "from the cache"):
        corpus = load_corpus(str(path), 300, log=lambda line: None)
        parts = [part.tolist() for part in corpus.held_out_parts]
        assert parts == corpus.vocabulary.encode(pieces[9::10])
        assert len(parts) > 1
        assert [i for part in parts for i in part] == corpus.held_out_ids.tolist()


def test_what_is_written_is_that_of_one_opening_at_a_time(corpus, model, monkeypatch):
    monkeypatch.setattr(module, "ROWS_A_BATCH", 4)
    found = write_passages(model, corpus, 10, 24)
    assert {ids.shape for ids in found.texts.values()} == {(10, 24)}
    for opening, said in zip(found.openings, found.texts[GREEDY], strict=True):
        assert torch.equal(continue_prompts(model, opening[None], 24)[0], said)
    whole = held_out_passages(corpus, 10, LENGTH)
    assert torch.equal(torch.cat([found.openings, found.texts[HUMAN]], dim=1), whole)
    second = continue_prompts(model, found.openings[4:8], 24, 1.0, 0, TOP_P, seed=1)
    assert torch.equal(found.texts[NUCLEUS][4:8], second)


def test_sampling_depends_on_its_seed_alone_and_batches_do_not_share_draws(
    corpus, model, monkeypatch
):
    monkeypatch.setattr(module, "ROWS_A_BATCH", 2)
    before = torch.random.get_rng_state()
    first, again, other = (
        write_passages(model, corpus, 4, 16, seed).texts[NUCLEUS] for seed in (5, 5, 6)
    )
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    same = torch.stack([corpus.held_out[0, :LENGTH]] * 4)
    monkeypatch.setattr(module, "held_out_passages", lambda *_: same)
    said = write_passages(model, corpus, 4, 24).texts[NUCLEUS]
    assert len({tuple(row) for row in said.tolist()}) == 4


def test_the_nucleus_is_the_smallest_set_that_holds_so_much():
    shares = torch.tensor([[0.05, 0.5, 0.1, 0.3, 0.05], [0.02, 0.02, 0.91, 0.03, 0.02]])
    kept = sampling_distribution(shares.log(), 1.0, 0, 0.85)  # 0.5 + 0.3 is too little
    torch.testing.assert_close(kept, torch.tensor([[0, 5 / 9, 1 / 9, 3 / 9, 0], [0, 0, 1.0, 0, 0]]))
    assert NUCLEUS == f"nucleus {TOP_P}" == "nucleus 0.9"


def test_measures_of_passages_that_are_known():
    loop, plain = [1, 2, 3, 4] * 6, list(range(10, 34))
    values = values_of(passages_of(loop, plain))
    assert list(values.index) == list(MEASURED)
    assert values.seq_rep_4 == pytest.approx((1 - 4 / 21 + 0) / 2)
    assert values.distinct_1_within == pytest.approx((4 / 24 + 1) / 2)
    assert values.distinct_2_within == pytest.approx((4 / 23 + 1) / 2)
    assert values.distinct_1 == pytest.approx((4 + 24) / 48)
    assert values.distinct_2 == pytest.approx((4 + 23) / 46)
    assert values.loops == 0.5
    twice = values_of(passages_of(plain, plain))
    assert (twice.distinct_1, twice.distinct_1_within) == (0.5, 1)  # within and between


def test_measures_are_those_of_their_own_functions():
    ids = torch.randint(0, 9, (12, 24), generator=torch.Generator().manual_seed(3))
    values = values_of(Passages(ids[:, :GIVEN], {HUMAN: ids}, 12))
    for name, value in continuation_measures(ids).items():
        assert values[name] == pytest.approx(value)
    assert values.seq_rep_4 == pytest.approx(seq_rep_n(ids))
    within = np.mean([distinct_n(row[None], 2) for row in ids])
    assert values.distinct_2_within == pytest.approx(within)


def test_intervals_hold_their_value_and_tell_a_looping_text_from_another(corpus, model):
    found = write_passages(model, corpus, 40, 24)
    table = found.table()
    assert len(table) == 3 * len(MEASURED)
    assert ((table.low <= table.value) & (table.value <= table.high)).all()
    assert table.low.min() >= 0
    assert table.high.max() <= 1
    assert (table.high > table.low).any()
    assert table.equals(write_passages(model, corpus, 40, 24).table())


def test_an_interval_of_a_mean_has_its_standard_error():
    each = np.random.default_rng(1).normal(0.5, 0.1, 400)
    low, high = interval(each, each.mean())
    assert (high - low) / 2 == pytest.approx(1.96 * each.std() / 20, rel=0.1)
    assert (low + high) / 2 == pytest.approx(each.mean(), abs=0.001)
    assert interval(np.ones(5), 1.0) == (1.0, 1.0)


def test_an_interval_of_pooled_distinct_tokens_covers_other_passages_like_these():
    """Passages from one Zipf's law: the interval is as wide as others like it lie apart, or wider.

    Resampling whole passages would put it far below, since copies bring no new 2-gram.
    """
    generator = np.random.default_rng(2)
    zipf = 1 / np.arange(1, 501) ** 1.1

    def draw():
        ids = torch.from_numpy(generator.choice(500, (250, 24), p=zipf / zipf.sum()))
        return Passages(ids[:, :GIVEN], {HUMAN: ids}, 250)

    first = draw()
    row = first.table().set_index("measure").loc["distinct_2"]
    others = [distinct_n(draw().texts[HUMAN], 2) for _ in range(100)]
    spread = 1.96 * np.std(others)
    assert 0.9 * spread <= (row.high - row.low) / 2 <= 2 * spread
    copies = torch.from_numpy(generator.integers(0, 250, 250))
    assert distinct_n(first.texts[HUMAN][copies], 2) < row.low


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"passages": 1}, "passages = 1: must be a whole number of at least 2"),
        ({"passages": "many"}, "passages = 'many': must be a whole number of at least 2"),
        ({"tokens": 15}, f"tokens = 15: must be a whole number from {TAIL} to 1008"),
        ({"tokens": 1009}, "tokens = 1009: must be a whole number from 16 to 1008"),
        ({"seed": -1}, "seed = -1: must be a whole number from 0"),
    ],
)
def test_values_out_of_range_are_one_line(corpus, model, options, line):
    with pytest.raises(ParameterError) as caught:
        write_passages(model, corpus, **options)
    assert str(caught.value).startswith(line)


def test_a_text_of_another_vocabulary_is_one_line(corpus, model_and_reference):
    with pytest.raises(ParameterError, match="corpus = 'synthetic': must have the model's 97"):
        write_passages(model_and_reference()[0], corpus)
