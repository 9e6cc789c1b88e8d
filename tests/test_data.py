"""Corpora: what is in them, the split, the cache, and what is refused."""

import json
from itertools import combinations

import numpy as np
import pytest
import torch

from bitnet import Corpus, ParameterError, load_corpus
from bitnet.config import BLOCK
from bitnet.data import MIN_TOKENS
from bitnet.tokenizer import gpt2
from tests.support.corpus import synthetic_corpus

TEXT = "The quick brown fox jumps over the lazy dog, again and again. " * 900


@pytest.fixture(scope="module")
def wikipedia(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    return folder, load_corpus("wikipedia-sample", cache_dir=folder)


def refused(name, cache):
    with pytest.raises(ParameterError) as error:
        load_corpus(str(name), cache_dir=cache)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_wikipedia_sample(wikipedia):
    _, text = wikipedia
    facts = text.facts()
    assert 750_000 < facts["tokens"] < 780_000
    assert 32_500 < facts["distinct_tokens"] < 34_000
    assert facts["held_out_tokens"] == pytest.approx(facts["tokens"] / 10, rel=0.02)
    sample = gpt2().decode(text.held_out[3].tolist())
    assert "[[" not in sample
    assert "{{" not in sample


def test_a_second_start_reads_the_cache(wikipedia, monkeypatch):
    folder, first = wikipedia
    monkeypatch.setattr("bitnet.data._tokenised", None)
    lines = []
    again = load_corpus("wikipedia-sample", cache_dir=folder, log=lines.append)
    assert lines == []
    assert again.fingerprint == first.fingerprint
    assert again.train.equal(first.train)
    assert again.held_out.equal(first.held_out)


def test_the_committed_runs_are_of_the_very_same_tokens(wikipedia, committed):
    prints = {history.manifest["corpus"]["fingerprint"] for history in committed}
    assert prints == {wikipedia[1].fingerprint}
    facts = {name: committed[0].manifest["corpus"][name] for name in wikipedia[1].facts()}
    assert facts == wikipedia[1].facts()


def test_a_damaged_cache_is_rebuilt(tmp_path):
    file = tmp_path / "text.txt"
    file.write_text(TEXT)
    first = load_corpus(str(file), cache_dir=tmp_path / "cache")
    cached = next((tmp_path / "cache").glob("tokens-*.npy"))
    damaged = bytearray(cached.read_bytes())
    damaged[-10] ^= 1
    for content in (bytes(damaged), bytes(damaged[:1000]), b""):
        cached.write_bytes(content)
        lines = []
        again = load_corpus(str(file), cache_dir=tmp_path / "cache", log=lines.append)
        assert again.fingerprint == first.fingerprint
        assert lines[0] == f"{cached}: damaged token cache, rebuilt"
    next((tmp_path / "cache").glob("tokens-*.json")).write_text(json.dumps({}))
    assert load_corpus(str(file), cache_dir=tmp_path / "cache").fingerprint == first.fingerprint


def test_train_and_held_out_interleave_without_overlap():
    tokens = np.arange(25 * BLOCK + 77).astype(np.uint16)  # every token names its own position
    text = Corpus.from_stream("positions", tokens, "positions")
    train, held_out = set(text.train.tolist()), set(text.held_out.flatten().tolist())
    assert not train & held_out
    assert len(train) + len(held_out) == len(tokens)
    assert text.held_out[:, 0].tolist() == [9 * BLOCK, 19 * BLOCK]
    assert text.train.dtype == torch.int64


def test_the_unigram_model_is_a_distribution(corpus):
    assert corpus.unigram.sum().item() == pytest.approx(1, abs=1e-5)
    assert corpus.unigram.min() > 0


def test_a_folder_of_texts(tmp_path):
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / "a.txt").write_text(TEXT, encoding="utf-8")
    (tmp_path / "books" / "b.txt").write_text("été " * 900, encoding="utf-8")
    text = load_corpus(str(tmp_path / "books"), cache_dir=tmp_path / "cache")
    assert gpt2().decode(text.train_ids[:9].tolist()).startswith("The quick brown fox")
    assert "été" in gpt2().decode(text.train_ids[-20:].tolist())


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path):
    (tmp_path / "text.txt").write_text(TEXT)
    (tmp_path / "taken").write_text("a file where the folder should be")
    lines = []
    text = load_corpus(
        str(tmp_path / "text.txt"), cache_dir=tmp_path / "taken" / "cache", log=lines.append
    )
    assert "BITNET_CACHE" in lines[-1]
    cached = load_corpus(str(tmp_path / "text.txt"), cache_dir=tmp_path / "cache", log=lines.append)
    assert text.fingerprint == cached.fingerprint
    assert text.train.equal(cached.train)


def test_what_a_killed_process_left_of_the_cache_is_written_over(tmp_path):
    (tmp_path / "text.txt").write_text(TEXT)
    load_corpus(str(tmp_path / "text.txt"), cache_dir=tmp_path / "cache")
    (cached,) = (tmp_path / "cache").glob("tokens-*.npy")
    cached.with_suffix(".json").unlink()
    cached.with_suffix(".tmp").write_bytes(b"half")
    load_corpus(str(tmp_path / "text.txt"), cache_dir=tmp_path / "cache", log=lambda line: None)
    names = {path.suffix for path in (tmp_path / "cache").iterdir()}
    assert names == {".npy", ".json", ".lock"}


def test_a_changed_text_is_another_corpus(tmp_path):
    file = tmp_path / "text.txt"
    file.write_text(TEXT)
    first = load_corpus(str(file), cache_dir=tmp_path / "cache")
    file.write_text(TEXT + "The end.")
    assert load_corpus(str(file), cache_dir=tmp_path / "cache").fingerprint != first.fingerprint


def test_refusals(tmp_path):
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "short.txt").write_text("Too short to hold anything out.")
    (tmp_path / "latin.txt").write_bytes("déjà vu ".encode("latin-1") * 9000)
    (tmp_path / "binary.txt").write_bytes(bytes(range(256)) * 300)
    (tmp_path / "folder").mkdir()
    assert f"at least {MIN_TOKENS} tokens" in refused(tmp_path / "empty.txt", tmp_path)
    assert f"at least {MIN_TOKENS} tokens" in refused(tmp_path / "short.txt", tmp_path)
    assert "must be UTF-8 text" in refused(tmp_path / "latin.txt", tmp_path)
    assert "must be UTF-8 text" in refused(tmp_path / "binary.txt", tmp_path)
    assert "holds no .txt file" in refused(tmp_path / "folder", tmp_path)
    assert "no such file or folder" in refused(tmp_path / "nowhere.txt", tmp_path)
    assert "did you mean 'wikipedia-sample'" in refused("wikipedia", tmp_path)


def test_the_briefs_corpus_without_the_hub_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    message = refused("wikitext-2", tmp_path)
    assert "Hugging Face hub" in message
    assert "corpus=wikipedia-sample" in message


def test_order_0_is_the_text_as_it_is(corpus):
    assert corpus.ordered(0) is corpus.train


def test_another_order_moves_whole_blocks_and_leaves_the_tail():
    ids = np.arange(25 * BLOCK + 77).astype(np.uint16)
    text = Corpus.from_stream("positions", ids, "positions")
    whole = len(text.train) // BLOCK * BLOCK
    assert 0 < len(text.train) - whole < BLOCK
    shuffled = text.ordered(1)
    assert shuffled[whole:].equal(text.train[whole:])
    blocks, before = shuffled[:whole].view(-1, BLOCK), text.train[:whole].view(-1, BLOCK)
    assert blocks[:, 0].tolist() != before[:, 0].tolist()
    assert blocks[blocks[:, 0].argsort()].equal(before)
    assert text.held_out.equal(Corpus.from_stream("again", ids, "again").held_out)


def test_an_order_is_the_same_each_time_and_another_for_every_number(corpus):
    orders = [corpus.ordered(number) for number in (0, 1, 2, 3, 2**31 - 1)]
    again = [synthetic_corpus().ordered(number) for number in (0, 1, 2, 3, 2**31 - 1)]
    assert all(a.equal(b) for a, b in zip(orders, again, strict=True))
    assert not any(a.equal(b) for a, b in combinations(orders, 2))


def test_an_order_is_not_drawn_from_the_random_state_of_the_process(corpus):
    state = torch.random.get_rng_state()
    corpus.ordered(5)
    assert torch.equal(torch.random.get_rng_state(), state)
