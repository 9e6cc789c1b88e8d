"""Corpora: one stream of GPT-2 tokens, cached, fingerprinted, split into train and held-out."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import platformdirs
import torch

from bitnet import checks
from bitnet.config import BLOCK, GPT2_VOCABULARY
from bitnet.texts import check_corpus, source
from bitnet.tokenizer import encode

__all__ = ["Corpus", "load_corpus"]

HELD_OUT_EVERY = 10  # every tenth block is held out
MIN_TOKENS = HELD_OUT_EVERY * BLOCK  # less than this has no held-out block
CACHE_FORMAT = 1  # raised when extraction or tokenisation changes


@dataclass(frozen=True)
class Corpus:
    """A stream of token ids [N], uint16, memory-mapped, with its fingerprint, their sha256.

    `train` is what a run reads, `held_out` what the measures look at: the stream is cut into blocks
    of 1024 tokens, of which every tenth is held out, so that both see the same topics and no token
    is in both.
    """

    name: str
    tokens: np.ndarray = field(repr=False)
    fingerprint: str
    vocab_size: int = GPT2_VOCABULARY

    @cached_property
    def _held_out_mask(self) -> np.ndarray:
        return np.arange(len(self.tokens)) // BLOCK % HELD_OUT_EVERY == HELD_OUT_EVERY - 1

    @cached_property
    def train(self) -> torch.Tensor:
        """The training stream [N_train], int64, blocks in their order."""
        return torch.from_numpy(self.tokens[~self._held_out_mask].astype(np.int64))

    @cached_property
    def held_out(self) -> torch.Tensor:
        """The held-out blocks [n, 1024], int64; a last block that is not full is left out."""
        ids = self.tokens[self._held_out_mask].astype(np.int64)
        return torch.from_numpy(ids[: len(ids) // BLOCK * BLOCK].reshape(-1, BLOCK))

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
            "tokens": len(self.tokens),
            "train_tokens": len(self.train),
            "held_out_tokens": self.held_out.numel(),
            "distinct_tokens": len(np.unique(self.tokens)),
        }


def load_corpus(
    name: str = "wikipedia-sample",
    cache_dir: str | Path = "",
    log: Callable[[str], None] = print,
) -> Corpus:
    """The corpus of that name or path, tokenised once and then cached.

    A path is that of a UTF-8 text file or of a folder of `.txt` files. `cache_dir` is by default
    $BITNET_CACHE or the user's cache folder.

    Raises: `ParameterError`, one line, for an unknown name, a hub out of reach, and text that is
    missing, empty, too short or not UTF-8.
    """
    read, version = source(check_corpus(name))
    default = os.environ.get("BITNET_CACHE") or platformdirs.user_cache_dir("bitnet")
    folder = Path(cache_dir or default)
    key = hashlib.sha256(f"{CACHE_FORMAT}:{BLOCK}:{version}".encode()).hexdigest()[:16]
    path = folder / f"tokens-{key}.npy"
    tokens, fingerprint = _read_cache(path)
    if tokens is not None:
        return Corpus(name, tokens, fingerprint)
    if path.exists():
        log(f"{path}: damaged token cache, rebuilt")
    log(f"Tokenising {name}, once ...")
    ids = np.array([i for text in encode(read()) for i in text], dtype=np.uint16)
    if len(ids) < MIN_TOKENS:
        allowed = f"must hold at least {MIN_TOKENS} tokens, and has {len(ids)}"
        raise checks.ParameterError("corpus", name, allowed)
    try:
        _write_cache(path, ids)
    except OSError as error:
        remedy = "set BITNET_CACHE to a folder that can be written"
        log(f"{folder}: the tokens could not be kept there ({error}); {remedy}")
        return Corpus(name, ids, _fingerprint(ids))
    tokens, fingerprint = _read_cache(path)
    assert tokens is not None
    return Corpus(name, tokens, fingerprint)


def _write_cache(path: Path, ids: np.ndarray) -> None:
    """Both files appear whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.tmp")
    with partial.open("wb") as file:
        np.save(file, ids)
    partial.replace(path)
    sidecar = path.with_suffix(".json")
    partial.write_text(json.dumps({"sha256": _fingerprint(ids), "tokens": len(ids)}))
    partial.replace(sidecar)


def _read_cache(path: Path) -> tuple[np.ndarray | None, str]:
    """The cached ids, memory-mapped, and their sha256; nothing unless they match it."""
    try:
        expected = json.loads(path.with_suffix(".json").read_text())["sha256"]
        tokens = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, EOFError, ValueError, KeyError):
        return None, ""
    found = _fingerprint(tokens)
    return (tokens, found) if found == expected else (None, "")


def _fingerprint(ids: np.ndarray) -> str:
    return hashlib.sha256(ids.tobytes()).hexdigest()
