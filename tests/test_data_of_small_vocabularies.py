"""Corpora of a small vocabulary: the split comes first, then the vocabulary, then the cache."""

import json
import random
import shutil

import numpy as np
import pytest

from bitnet import ParameterError, load_corpus
from bitnet.config import BLOCK
from bitnet.tokenizer import trained

# Lines of 128 characters, so that a piece is of 33: the first line break that is not before its
# 4096th character ends it. Twenty pieces and a last one that is shorter and ends no line.
LINES, PIECES = 33, 20
WORDS = ["the", "cat", "sat", "on", "mat", "hat", "été", "\U0001f600", "and", "of", "\t", "a"]


def line(number, words=WORDS):
    generator = random.Random(number)
    text = " ".join(generator.choice(words) for _ in range(64))
    return f"{text[:127]}\n"


def pieces():
    """Every tenth is of words of its own."""
    found = []
    for piece in range(1, PIECES + 1):
        words = WORDS if piece % 10 else ["zyzzyva", "the", "cat"]
        found.append("".join(line(LINES * piece + i, words) for i in range(LINES)))
    return [*found, "the end"]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A text, the folder of its cache, and its corpus of 300 tokens."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "text.txt").write_text("".join(pieces()), encoding="utf-8")
    return folder / "text.txt", folder / "cache", of_size(folder / "text.txt", folder / "cache")


def of_size(file, cache, size=300, log=lambda line: None):
    return load_corpus(str(file), size, cache, log)


def test_the_text_is_split_before_it_is_tokenised_and_no_character_is_lost(small):
    text, words = small[2], small[2].vocabulary
    parts = pieces()
    assert words.decode(text.held_out_ids) == parts[9] + parts[19]
    assert words.decode(text.train_ids) == "".join(parts[:9] + parts[10:19] + parts[20:])
    assert text.held_out.shape[1] == BLOCK
    assert text.vocab_size == words.size == 300
    facts = text.facts()
    assert facts["train_tokens"] == len(text.train_ids)
    assert facts["tokens"] == len(text.train_ids) + len(text.held_out_ids)


def test_a_small_vocabulary_is_trained_on_the_training_part_alone(small):
    words = small[2].vocabulary
    ids = words.encode([" zyzzyva", " the"])
    assert [len(found) for found in ids] == [8, 1]
    train = "".join(piece for i, piece in enumerate(pieces(), 1) if i % 10)
    assert words.to_text() == trained([train], 300).to_text()
    assert words.to_text() != trained(pieces(), 300).to_text()


def test_a_second_start_reads_the_cache_of_a_small_vocabulary(small, monkeypatch):
    file, cache, first = small
    monkeypatch.setattr("bitnet.data._tokenised", None)
    lines = []
    again = of_size(file, cache, log=lines.append)
    assert lines == []
    assert isinstance(again.train_ids, np.memmap)
    assert again.fingerprint == first.fingerprint
    assert again.train.equal(first.train)
    assert again.held_out.equal(first.held_out)
    assert again.vocabulary.to_text() == first.vocabulary.to_text()


def flipped(path):
    content = bytearray(path.read_bytes())
    content[-10] ^= 1
    path.write_bytes(bytes(content))


def with_other_facts(path, **changed):
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


MERGES = {"lost": None, "malformed": "a b c\n", "others": "x y\n", "no text": 7}
DAMAGE = {
    "a token": (".npy", flipped),
    "the facts": (".json", lambda path: path.write_text("[]")),
    "the split": (".json", lambda path: with_other_facts(path, train=5)),
    "no split": (".json", lambda path: with_other_facts(path, train=None)),
} | {
    f"merges: {how}": (".json", lambda path, text=text: with_other_facts(path, vocabulary=text))
    for how, text in MERGES.items()
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_cache_of_a_small_vocabulary_is_rebuilt(small, tmp_path, what):
    file, cache, first = small
    suffix, damage = DAMAGE[what]
    shutil.copytree(cache, tmp_path / "cache")
    (path,) = (tmp_path / "cache").glob(f"tokens-*{suffix}")
    damage(path)
    lines = []
    again = of_size(file, tmp_path / "cache", log=lines.append)
    assert lines[0] == f"{path.with_suffix('.npy')}: damaged token cache, rebuilt"
    assert again.fingerprint == first.fingerprint
    assert again.train.equal(first.train)
    assert of_size(file, tmp_path / "cache", log=None).fingerprint == first.fingerprint


def test_every_vocabulary_has_a_fingerprint_and_a_cache_of_its_own(small, tmp_path):
    file, _, first = small
    cache = tmp_path / "cache"
    found = {size: of_size(file, cache, size).fingerprint for size in (256, 300, 310, 50257)}
    assert len(set(found.values())) == 4
    assert found[300] == first.fingerprint
    assert len(list(cache.glob("*.npy"))) == 4
    assert {size: of_size(file, cache, size, None).fingerprint for size in found} == found


def test_a_vocabulary_that_a_text_cannot_give_is_one_line(small, tmp_path):
    for size, allowed in (
        (255, "whole number from 256 to 65535"),
        (65536, "whole number from 256 to 65535"),
        (20_000, r"must be at most \d+, which is all that this text can give"),
    ):
        with pytest.raises(ParameterError, match=f"^vocabulary = {size}: .*{allowed}$"):
            of_size(small[0], tmp_path, size)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "text", ["a cat and a dog, " * 20_000, "a cat and a dog\n" * 2000], ids=["one line", "short"]
)
def test_a_text_of_which_nothing_can_be_held_out_is_one_line(tmp_path, text):
    """It is long enough for GPT-2's vocabulary, whose blocks are of tokens."""
    (tmp_path / "text.txt").write_text(text)
    with pytest.raises(ParameterError) as error:
        of_size(tmp_path / "text.txt", tmp_path / "cache", 260)
    assert "must hold at least 10 pieces of 4096 characters, each ended" in str(error.value)
    assert "\n" not in str(error.value)
    assert of_size(tmp_path / "text.txt", tmp_path / "cache", 50257).held_out.numel()


def test_a_text_of_too_few_tokens_is_one_line(tmp_path):
    (tmp_path / "text.txt").write_text("a cat\n" * 100)
    with pytest.raises(ParameterError, match=r"must hold at least 10240 tokens, and has [0-9]+$"):
        of_size(tmp_path / "text.txt", tmp_path / "cache", 256)
