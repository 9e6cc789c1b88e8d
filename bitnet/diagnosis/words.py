"""The words of a model: any tokenizer as `encode` and `decode`, or none but the ids' numbers."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from bitnet import checks
from bitnet.tokenizer import Vocabulary

__all__ = ["PADDING", "Words", "check_size", "ids_of"]

# Rows that a vocabulary is padded with, to a multiple that suits the hardware: fewer than these.
PADDING = 1024


class Words:
    """A `Vocabulary` of ours, a tokenizer of transformers or of tokenizers, or None: numbers."""

    def __init__(self, tokenizer: Any = None):
        self.tokenizer = tokenizer

    @property
    def size(self) -> int | None:
        """Its number of tokens; None where there is no tokenizer."""
        if self.tokenizer is None:
            return None
        if isinstance(self.tokenizer, Vocabulary):
            return self.tokenizer.size
        known = getattr(self.tokenizer, "get_vocab_size", None)
        return known() if known else len(self.tokenizer)

    def encode(self, text: str) -> list[int]:
        """The ids of a text, without special tokens."""
        if isinstance(self.tokenizer, Vocabulary):
            return self.tokenizer.encode([text])[0]
        if callable(self.tokenizer):  # a long text is no matter: it is cut into windows
            return self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids; their numbers where there is no tokenizer."""
        if self.tokenizer is None:
            return " ".join(map(str, ids))
        return self.tokenizer.decode(list(ids))


def ids_of(text: object, words: Words) -> Tensor:
    """A text, which takes a tokenizer, or its ids in a tensor or list of any shape -> ids [N].

    Raises: `ParameterError` for what is neither, and for a text that cannot be encoded.
    """
    if isinstance(text, str):
        if words.tokenizer is None:
            raise checks.ParameterError("tokenizer", None, "is needed where the text is no ids")
        try:
            return torch.tensor(words.encode(text), dtype=torch.long)
        except Exception as error:  # of a stranger's code
            failed = f"cannot encode the text ({checks.first_line(error)})"
            raise checks.ParameterError("tokenizer", _type(words.tokenizer), failed) from error
    allowed = "must be a text, or token ids of at least 0"
    try:
        ids = torch.as_tensor(text).detach().flatten().cpu()
    except Exception as error:
        raise checks.ParameterError("text", _type(text), allowed) from error
    whole = not (ids.dtype == torch.bool or ids.is_floating_point() or ids.is_complex())
    if not whole or not len(ids) or ids.long().min() < 0:
        raise checks.ParameterError("text", f"{ids.dtype} [{len(ids)}]", allowed)
    return ids.long()


def check_size(words: Words, vocab_size: int) -> None:
    """Refuse a tokenizer of another model. Raises: `ParameterError`."""
    size = words.size
    if size is not None and not vocab_size - PADDING < size <= vocab_size:
        allowed = f"must have the {vocab_size} tokens that the model predicts, or a few less"
        raise checks.ParameterError("tokenizer", f"{size} tokens", allowed)


def _type(value: object) -> str:
    return type(value).__name__
