"""Corpora: a name or a path -> one stream of GPT-2 tokens, cached, fingerprinted, split into train and held-out blocks."""

import bz2
import contextlib
import hashlib
import json
import os
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import platformdirs
import torch

from bitnet import checks
from bitnet.config import BLOCK, GPT2_VOCABULARY
from bitnet.tokenizer import encode, package_file

__all__ = ["CORPORA", "Corpus", "check_corpus", "load_corpus"]

CORPORA = ("wikipedia-sample", "wikitext-2")
HELD_OUT_EVERY = 10  # every tenth block is held out
MIN_TOKENS = HELD_OUT_EVERY * BLOCK  # less than this has no held-out block
CACHE_FORMAT = 1  # raised when extraction or tokenisation changes

_WIKIPEDIA_DUMP = "test/test_data/enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"
_HUB_PATIENCE = 2.5  # seconds to wait for the hub before saying that it is out of reach


@dataclass(frozen=True)
class Corpus:
    """A stream of token ids [N] (uint16, memory-mapped from the cache) with its fingerprint, the sha256 of the ids.

    `train` is what a run reads, `held_out` what the measures look at: the stream is cut into blocks of 1024 tokens, of
    which every tenth is held out, so that both see the same topics and no token is in both.
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
    def unigram(self) -> torch.Tensor:
        """The share of each token [V] in the training stream, with one added to every count (Laplace)."""
        counts = torch.bincount(self.train, minlength=self.vocab_size).double() + 1
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


def load_corpus(name: str = "wikipedia-sample", cache_dir: str | Path = "", say: Callable[[str], None] = print) -> Corpus:
    """The corpus of that name, or of a UTF-8 text file or a folder of `.txt` files, tokenised once and then cached.

    `cache_dir` defaults to the user's cache folder (or $BITNET_CACHE). Errors: `ParameterError`, one line, for an unknown
    name, a hub out of reach, and text that is missing, empty, too short or not UTF-8.
    """
    read, source = _source(check_corpus(name))
    folder = Path(cache_dir or os.environ.get("BITNET_CACHE") or platformdirs.user_cache_dir("bitnet"))
    key = hashlib.sha256(f"{CACHE_FORMAT}:{BLOCK}:{source}".encode()).hexdigest()[:16]
    path = folder / f"tokens-{key}.npy"
    tokens, fingerprint = _read_cache(path)
    if tokens is None:
        if path.exists():
            say(f"{path}: damaged token cache, made anew")
        say(f"Tokenising {name}, once ...")
        ids = np.array([i for text in encode(read()) for i in text], dtype=np.uint16)
        if len(ids) < MIN_TOKENS:
            raise checks.ParameterError("corpus", name, f"must hold at least {MIN_TOKENS} tokens, and has {len(ids)}")
        try:
            _write_cache(path, ids)
        except OSError as error:
            say(f"{folder}: the tokens could not be kept there ({error}); set BITNET_CACHE to a folder that can be written")
            return Corpus(name, ids, _fingerprint(ids))
        tokens, fingerprint = _read_cache(path)
        assert tokens is not None
    return Corpus(name, tokens, fingerprint)


def check_corpus(name: object) -> str:
    """`name` if it is a known corpus or a path that exists, known at once. Errors: `ParameterError`."""
    if not isinstance(name, str) or not name:
        raise checks.ParameterError("corpus", name, f"must be one of {', '.join(CORPORA)}, or a path")
    if name not in CORPORA and not Path(name).expanduser().exists():
        if os.sep in name or name.endswith(".txt"):
            raise checks.ParameterError("corpus", name, "no such file or folder")
        checks.choice("corpus", name, (*CORPORA, "a path"))
    return name


def _source(name: str) -> tuple[Callable[[], list[str]], str]:
    """How to read the texts of a corpus, and a word that changes when its source does."""
    if name == "wikipedia-sample":
        dump = package_file("gensim", _WIKIPEDIA_DUMP)
        return lambda: _wikipedia_articles(dump), hashlib.sha256(dump.read_bytes()).hexdigest()
    if name == "wikitext-2":
        return _wikitext, "Salesforce/wikitext wikitext-2-raw-v1 train"
    path = Path(name).expanduser()
    files = sorted(path.rglob("*.txt")) if path.is_dir() else [path]
    if not files:
        raise checks.ParameterError("corpus", name, "the folder holds no .txt file")
    digest = hashlib.sha256()
    for file in files:
        try:
            digest.update(hashlib.sha256(file.read_bytes()).digest())
        except OSError as error:
            raise checks.ParameterError("corpus", name, f"{file.name} cannot be read ({error.strerror})") from error
    return lambda: _text_files(name, files), digest.hexdigest()


def _wikipedia_articles(dump: Path) -> list[str]:
    """The articles of a MediaWiki dump, without redirects and without markup."""
    import mwparserfromhell

    texts = []
    with bz2.open(dump) as stream:
        for _, page in ElementTree.iterparse(stream):
            if not page.tag.endswith("}page"):
                continue
            if page.findtext("{*}ns") == "0" and page.find("{*}redirect") is None:
                markup = page.findtext("{*}revision/{*}text") or ""
                texts.append(str(mwparserfromhell.parse(markup).strip_code()) + "\n\n")
            page.clear()
    return texts


def _wikitext() -> list[str]:
    """The brief's corpus, from the hub or from the copy that an earlier visit left."""
    import datasets

    try:
        with _quiet_datasets(offline=not _hub_answers()):
            rows = datasets.load_dataset("Salesforce/wikitext", "wikitext-2-raw-v1", split="train")
    except Exception as error:  # whatever the hub client raises, the remedy is the same
        said = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
        remedy = f"needs the Hugging Face hub once, and could not be had ({said}); go online, or use corpus=wikipedia-sample"
        raise checks.ParameterError("corpus", "wikitext-2", remedy) from error
    return ["".join(rows["text"])]


def _hub_answers() -> bool:
    """Whether the hub can be reached, known within seconds: the client itself would retry for much longer."""
    if os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0"):
        return False
    answered = threading.Event()

    def knock() -> None:
        endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
        with contextlib.suppress(OSError, ValueError):
            urllib.request.urlopen(urllib.request.Request(endpoint, method="HEAD"), timeout=_HUB_PATIENCE).close()
            answered.set()

    threading.Thread(target=knock, daemon=True).start()  # a thread, since looking up a name has no time limit of its own
    return answered.wait(_HUB_PATIENCE)


def _text_files(name: str, files: list[Path]) -> list[str]:
    """The documents of text files, read through `datasets`."""
    import datasets

    for file in files:
        try:
            file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise checks.ParameterError("corpus", name, f"must be UTF-8 text, and {file.name} is not") from None
    with _quiet_datasets():
        rows = datasets.Dataset.from_text([str(file) for file in files], sample_by="document", keep_in_memory=True)
    return list(rows["text"])


@contextlib.contextmanager
def _quiet_datasets(offline: bool = True) -> Iterator[None]:
    """`datasets` without its progress bars and, if `offline`, without its retries: it reads what is on disk."""
    import datasets
    import huggingface_hub.constants as hub

    before = datasets.config.HF_HUB_OFFLINE, hub.HF_HUB_OFFLINE
    if offline:
        datasets.config.HF_HUB_OFFLINE = hub.HF_HUB_OFFLINE = True
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE, hub.HF_HUB_OFFLINE = before
        datasets.enable_progress_bars()


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
    """The cached ids, memory-mapped, and their sha256; nothing where they are absent or do not match it."""
    try:
        expected = json.loads(path.with_suffix(".json").read_text())["sha256"]
        tokens = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, EOFError, ValueError, KeyError):
        return None, ""
    found = _fingerprint(tokens)
    return (tokens, found) if found == expected else (None, "")


def _fingerprint(ids: np.ndarray) -> str:
    return hashlib.sha256(ids.tobytes()).hexdigest()
