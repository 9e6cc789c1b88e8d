"""What a model is asked, from a text: windows, passages, prompts, and the text's own values."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from bitnet import checks
from bitnet.diagnosis.subject import Subject
from bitnet.diagnosis.words import Words, check_size, ids_of
from bitnet.evaluation.diversity import (
    CONTINUATION,
    OPENING,
    PASSAGES,
    PROMPTS,
    random_prompts,
    spread,
    text_references,
)
from bitnet.evaluation.ngrams import MOST_TOKENS, ngram_losses

__all__ = ["LEAST", "LENGTH", "POSITIONS", "Sample"]

LENGTH = OPENING + CONTINUATION  # tokens of a window, as in every run of this study
POSITIONS = 4096
LEAST = 4096  # tokens of a text: a quarter of them are asked, enough to count beyond 50 tokens
ASKED = 4  # one in so many tokens at most is asked; the rest says how frequent tokens are
MOST = 2**21  # tokens that are looked at, the first: the tables of pairs and triples need memory


@dataclass(frozen=True)
class Sample:
    """Pieces of a text of ids [N]: `windows` [n, S] that a model is asked, and `rest` [M].

    Windows are evenly spaced, and what lies between them is the rest. `passages` [32, 32] are to be
    continued.
    """

    windows: Tensor
    passages: Tensor
    rest: Tensor
    vocab_size: int

    @classmethod
    def of(cls, ids: Tensor, vocab_size: int, positions: int = POSITIONS) -> "Sample":
        """The sample of a text with at least so many `positions` to predict, or as it has.

        Raises: `ParameterError` for a text that is too short, or a vocabulary that is too large.
        """
        ids = ids[:MOST]
        checks.integer("tokens of the text", len(ids), LEAST)
        checks.integer("vocabulary of the model", vocab_size, 2, MOST_TOKENS)
        pieces = ids[: len(ids) // LENGTH * LENGTH].view(-1, LENGTH)
        wanted = min(-(-positions // (LENGTH - 1)), len(pieces) // ASKED)
        asked = torch.linspace(0, len(pieces) - 1, wanted).round().long()
        left = torch.ones(len(pieces), dtype=torch.bool)
        left[asked] = False
        windows = pieces[asked]
        return cls(windows, spread(windows, LENGTH, PASSAGES), pieces[left].flatten(), vocab_size)

    @classmethod
    def for_model(
        cls, model: nn.Module, text: object, tokenizer: Any, positions: object
    ) -> tuple["Sample", Subject, Words]:
        """The sample of a text, and whom it is for: all that can be wrong with them is refused.

        Raises: `ParameterError`.
        """
        wanted, words = checks.integer("positions", positions, 1), Words(tokenizer)
        ids = ids_of(text, words)
        checks.integer("tokens of the text", len(ids), LEAST)  # before a model is run
        subject = Subject.of(model, ids)
        check_size(words, subject.vocab_size)
        return cls.of(ids, subject.vocab_size, wanted), subject, words

    @property
    def prompts(self) -> Tensor:
        """The 20-prompt probe [20, 8]."""
        return random_prompts(self.vocab_size)

    @cached_property
    def counts(self) -> Tensor:
        """How often each token [V] stands in the text, what is asked included."""
        whole = torch.cat([self.rest, self.windows.flatten()])
        return torch.bincount(whole, minlength=self.vocab_size)

    @cached_property
    def unigram(self) -> Tensor:
        """The share of each token [V] in the rest, add-one smoothed (Laplace)."""
        counts = torch.bincount(self.rest, minlength=self.vocab_size).double() + 1
        return (counts / counts.sum()).float()

    @cached_property
    def references(self) -> dict[str, float]:
        """What the measures are read against, by name; the tables are counted on the rest."""
        return {
            "unique_predictions_ceiling": PROMPTS,
            **text_references(self.windows, self.passages, self.unigram),
            **ngram_losses(self.rest, self.windows, self.vocab_size),
        }
