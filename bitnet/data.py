"""Corpora: the tokens of a text, cached, fingerprinted, split into training and held-out parts."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np
import platformdirs
import torch
from filelock import FileLock

from bitnet import checks, files
from bitnet.config import BLOCK, BYTES, GPT2_VOCABULARY, LARGEST_VOCABULARY
from bitnet.terminal import escaped, say
from bitnet.texts import check_corpus, source
from bitnet.tokenizer import Vocabulary, chunks, gpt2, trained

__all__ = ["Corpus", "load_corpus"]

HELD_OUT_EVERY = 10  # every tenth block, or piece of text, is held out
MIN_TOKENS = HELD_OUT_EVERY * BLOCK  # less than this has no held-out block
PIECE = 4096  # characters of a piece: about a block, where a text is split before it is tokenised
AT_ONCE = 2**20  # characters that are encoded together
CACHE_FORMAT = 2  # raised when extraction or tokenisation changes


@dataclass(frozen=True)
class Corpus:
    """Token ids for training and held out, both [N] uint16, and the vocabulary that made them.

    Training and held-out parts interleave, so that both see the same topics, and no token is in
    both. `fingerprint` is a sha256 of the ids and, where the vocabulary was trained, of that.
    `in_pieces` says that the text was split before it was tokenised.
    """

    name: str
    train_ids: np.ndarray = field(repr=False)
    held_out_ids: np.ndarray = field(repr=False)
    fingerprint: str
    vocabulary: Vocabulary = field(repr=False, default_factory=gpt2)
    in_pieces: bool = field(repr=False, default=False)

    @classmethod
    def from_stream(
        cls, name: str, ids: np.ndarray, fingerprint: str, vocabulary: Vocabulary | None = None
    ) -> "Corpus":
        """A corpus from one stream of ids [N]: every tenth block of 1024 tokens is held out."""
        held_out = np.arange(len(ids)) // BLOCK % HELD_OUT_EVERY == HELD_OUT_EVERY - 1
        return cls(name, ids[~held_out], ids[held_out], fingerprint, vocabulary or gpt2())

    @property
    def vocab_size(self) -> int:
        return self.vocabulary.size

    @cached_property
    def train(self) -> torch.Tensor:
        """The training stream [N_train], int64, in the order of the text."""
        return torch.from_numpy(self.train_ids.astype(np.int64))

    def ordered(self, order: int) -> torch.Tensor:
        """The training stream [N_train], int64, with its blocks of 1024 tokens in an order.

        0 is that of the text; any other number shuffles whole blocks, the same way each time. What
        is left behind the last whole block stays at the end.
        """
        if not order:
            return self.train
        whole = len(self.train) // BLOCK
        shuffled = torch.randperm(whole, generator=torch.Generator().manual_seed(order))
        blocks = self.train[: whole * BLOCK].view(whole, BLOCK)[shuffled].flatten()
        return torch.cat([blocks, self.train[whole * BLOCK :]])

    @cached_property
    def held_out(self) -> torch.Tensor:
        """The held-out blocks [n, 1024], int64; a last block that is not full is left out."""
        ids = self.held_out_ids.astype(np.int64)
        return torch.from_numpy(ids[: len(ids) // BLOCK * BLOCK].reshape(-1, BLOCK))

    @cached_property
    def held_out_parts(self) -> list[np.ndarray]:
        """The held-out ids in parts [n] of unbroken text: blocks of 1024 tokens, or pieces."""
        ids = self.held_out_ids
        if not self.in_pieces:
            return np.split(ids, range(BLOCK, len(ids), BLOCK))
        # A piece begins where another ends, so that what is held out is cut in the same places.
        texts = _pieces(self.vocabulary.decode(ids.tolist()))
        return np.split(ids, np.cumsum([len(row) for row in self.vocabulary.encode(texts)])[:-1])

    @cached_property
    def counts(self) -> torch.Tensor:
        """How often each token [V] stands in the training stream."""
        return torch.bincount(self.train, minlength=self.vocab_size)

    @cached_property
    def unigram(self) -> torch.Tensor:
        """The share of each token [V] in the training stream, add-one smoothed (Laplace)."""
        counts = self.counts.double() + 1
        return (counts / counts.sum()).float()

    def facts(self) -> dict[str, object]:
        """What a manifest records of the data."""
        return {
            "name": self.name,
            "fingerprint": self.fingerprint,
            "tokens": len(self.train_ids) + len(self.held_out_ids),
            "train_tokens": len(self.train_ids),
            "held_out_tokens": self.held_out.numel(),
            "distinct_tokens": len(np.union1d(self.train_ids, self.held_out_ids)),
        }


def load_corpus(
    name: str | Path = "wikipedia-sample",
    vocabulary: int = GPT2_VOCABULARY,
    cache_dir: str | Path = "",
    log: Callable[[str], None] = say,
) -> Corpus:
    """The corpus of that name or path, tokenised once and then cached.

    A path is that of a UTF-8 text file or of a folder of `.txt` files, at most 100 MB. `vocabulary`
    is the number of tokens: GPT-2's, or that of a byte-level BPE trained on the training part; then
    the text is split first. `cache_dir` is by default $BITNET_CACHE or the user's cache folder.

    Raises: `ParameterError`, one line, for an unknown name, a hub out of reach, text that is
    missing, empty, too short or not UTF-8, and a vocabulary that it cannot give.
    """
    size = checks.integer("vocabulary", vocabulary, BYTES, LARGEST_VOCABULARY)
    name = check_corpus(name)
    read, version = source(name)
    default = isinstance(cache_dir, str) and not cache_dir
    folder = _default_cache_dir() if default else checks.path("cache_dir", cache_dir)
    log = escaped(log)
    small = "" if size == GPT2_VOCABULARY else f":{size}:{PIECE}"
    key = hashlib.sha256(f"{CACHE_FORMAT}:{BLOCK}:{version}{small}".encode()).hexdigest()[:16]
    path = folder / f"tokens-{key}.npy"
    if cached := _read_cache(path):
        return _corpus(name, *cached)
    if path.exists():
        log(f"{path}: damaged token cache, rebuilt")
    log(f"Tokenising {name}, once ...")
    tokens = _tokenised(read(), size)
    corpus = _corpus(name, *tokens)
    found = len(corpus.train_ids) + len(corpus.held_out_ids)
    if found < MIN_TOKENS or not len(corpus.held_out):
        allowed = f"must hold at least {MIN_TOKENS} tokens, and has {found}"
        if found >= MIN_TOKENS:
            pieces = f"{HELD_OUT_EVERY} pieces of {PIECE} characters, each ended by a line break"
            allowed = f"must hold at least {pieces}, or nothing is held out"
        raise checks.ParameterError("corpus", name, allowed)
    try:
        _write_cache(path, *tokens)
    except OSError as error:
        remedy = "set BITNET_CACHE to a folder that can be written"
        log(f"{folder}: the tokens could not be kept there ({error}); {remedy}")
    return corpus


def _default_cache_dir() -> Path:
    chosen = os.environ.get("BITNET_CACHE")
    return checks.path("BITNET_CACHE", chosen) if chosen else platformdirs.user_cache_path("bitnet")


# Ids [N], how many of them are for training (None: the blocks of the stream say), vocabulary.
_Tokens = tuple[np.ndarray, int | None, Vocabulary]


def _tokenised(texts: Sequence[str], size: int) -> _Tokens:
    if size == GPT2_VOCABULARY:
        return _joined(gpt2(), texts), None, gpt2()
    pieces = _pieces("".join(texts))
    held_out = pieces[HELD_OUT_EVERY - 1 :: HELD_OUT_EVERY]
    train = [text for i, text in enumerate(pieces, start=1) if i % HELD_OUT_EVERY]
    vocabulary = trained(train, size)
    first, second = _joined(vocabulary, train), _joined(vocabulary, held_out)
    return np.concatenate([first, second]), len(first), vocabulary


def _corpus(name: str, ids: np.ndarray, train: int | None, vocabulary: Vocabulary) -> Corpus:
    fingerprint = _fingerprint(ids, train, vocabulary)
    if train is None:
        return Corpus.from_stream(name, ids, fingerprint, vocabulary)
    return Corpus(name, ids[:train], ids[train:], fingerprint, vocabulary, in_pieces=True)


def _pieces(text: str) -> list[str]:
    """A text cut into pieces of `PIECE` characters, or of so many more as end a line."""
    pieces, start = [], 0
    while start < len(text):
        end = text.find("\n", start + PIECE) + 1 or len(text)
        pieces.append(text[start:end])
        start = end
    return pieces


def _joined(vocabulary: Vocabulary, texts: Sequence[str]) -> np.ndarray:
    """The ids of all texts in one stream [N], a few texts at a time: encoding takes much memory."""
    found, some, size = [np.zeros(0, np.uint16)], [], 0
    for text in chain.from_iterable(map(chunks, texts)):
        some.append(text)
        size += len(text)
        if size > AT_ONCE:
            found += [np.array(ids, np.uint16) for ids in vocabulary.encode(some)]
            some, size = [], 0
    found += [np.array(ids, np.uint16) for ids in vocabulary.encode(some)]
    return np.concatenate(found)


def _write_cache(path: Path, ids: np.ndarray, train: int | None, vocabulary: Vocabulary) -> None:
    """Both files appear whole or not at all, the one with the checksum last.

    Under one name that is locked, so that what a killed process left of it is written over.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".tmp")
    facts: dict[str, object] = {"sha256": _fingerprint(ids, train, vocabulary), "tokens": len(ids)}
    if train is not None:
        facts |= {"train": train, "vocabulary": vocabulary.to_text()}
    with FileLock(path.with_suffix(".lock")):
        with partial.open("wb") as file:
            np.save(file, ids)
        partial.replace(path)
        partial.write_text(json.dumps(facts))
        partial.replace(path.with_suffix(".json"))


def _read_cache(path: Path) -> _Tokens | None:
    """The cached tokens, memory-mapped; None unless they match their checksum."""
    try:
        facts = files.read_json(path.with_suffix(".json"))
        ids = np.load(path, mmap_mode="r", allow_pickle=False)
        train, kept = facts.get("train"), facts.get("vocabulary")
        vocabulary = gpt2() if kept is None else Vocabulary.from_text(kept)
        meant = ids.dtype == np.uint16 and ids.ndim == 1 and isinstance(train, int | None)
        whole = _fingerprint(ids, train, vocabulary) == facts["sha256"]
    except Exception:  # numpy's readers say in many ways that a file is none of theirs
        return None
    return (ids, train, vocabulary) if whole and meant else None


def _fingerprint(ids: np.ndarray, train: int | None, vocabulary: Vocabulary) -> str:
    """The sha256 of the ids and, of a trained vocabulary, of where they are split and of that."""
    digest = hashlib.sha256(ids.tobytes())
    if train is not None:
        digest.update(f"{train}:{vocabulary.to_text()}".encode())
    return digest.hexdigest()
