"""A causal language model of any make, as a diagnosis looks at it: logits, two ends, groups."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from bitnet import checks
from bitnet.evaluation.diversity import PROMPT_LENGTH

__all__ = ["GAINS", "MATRICES", "TIED", "Subject"]

ROUNDING = 0.01  # of the spread of logits; more is moved by a later token that is looked at
TIED, MATRICES, GAINS = "embedding and head", "matrices", "gains and biases"


@dataclass(frozen=True)
class Subject:
    """A module that maps ids [B, S] to logits [B, S, V], or to an object with such `logits`.

    `embedding` and `head` are its ends as modules with a `weight` [V, H], None where none is found.
    """

    model: nn.Module
    vocab_size: int
    embedding: Any
    head: Any

    @classmethod
    def of(cls, model: nn.Module, ids: Tensor) -> "Subject":
        """The subject, tried on the first of these ids [N]; the model's mode stays as it was.

        Raises: `ParameterError` for what is no such module, cannot be run on the ids, sees what
        comes later, has no vocabulary head, or a smaller one than the ids need.
        """
        if not isinstance(model, nn.Module) or next(model.parameters(), None) is None:
            allowed = "must be a torch.nn.Module with weights that returns logits"
            raise checks.ParameterError("model", _name(model), allowed)
        subject = cls(model, 0, None, None)
        largest, embedding = int(ids.max()), _embedding(model)
        if embedding is not None and largest >= len(embedding.weight):
            raise _too_few(model, f"has embeddings of {len(embedding.weight)} tokens", largest)
        few = ids[None, :PROMPT_LENGTH].to(subject.device)
        other = torch.cat([few[:, :-1], (few[:, -1:] + 1) % (largest + 1)], dim=1)
        try:
            with subject.at_rest():
                found, unlike = (_logits(model(row)) for row in (few, other))
        except Exception as error:  # of a stranger's code, which may raise whatever it likes
            failed = f"cannot be run on ids [1, {PROMPT_LENGTH}] ({checks.first_line(error)})"
            raise checks.ParameterError("model", _name(model), failed) from error
        rows = 0 if embedding is None else len(embedding.weight)
        if found is None or found.shape[:-1] != (1, PROMPT_LENGTH) or found.shape[-1] < rows:
            what = "no tensor" if found is None else f"a tensor {list(found.shape)}"
            allowed = f"must return logits [1, {PROMPT_LENGTH}, vocabulary], and returns {what}"
            raise checks.ParameterError("model", _name(model), f"{allowed}: no vocabulary head")
        size = found.shape[-1]
        if largest >= size:
            raise _too_few(model, f"predicts {size} tokens", largest)
        assert unlike is not None
        change = (found - unlike)[:, :-1].abs().max()
        if change > ROUNDING * found.std():
            sees = "predicts from the tokens that it is to predict, and is no causal model"
            raise checks.ParameterError("model", _name(model), sees)
        return cls(model, size, embedding, _head(model, size))

    @property
    def name(self) -> str:
        return _name(self.model)

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def tied(self) -> bool:
        """Whether embedding and head are one matrix."""
        ends = (self.embedding, self.head)
        first, second = (None if end is None else end.weight for end in ends)
        if first is None or second is None:
            return False
        return first is second or first.data_ptr() == second.data_ptr() != 0  # the same memory

    @property
    def declared_tied(self) -> bool | None:
        """What the model's configuration says of that; None where it says nothing."""
        said = getattr(getattr(self.model, "config", None), "tie_word_embeddings", None)
        return said if isinstance(said, bool) else None

    @cached_property
    def groups(self) -> dict[str, list[nn.Parameter]]:
        """Its parameters: embedding, head (or both in one), other matrices, gains and biases."""
        first, last = ("embedding", "head") if not self.tied else (TIED, TIED)
        names = {id(m.weight): n for m, n in ((self.embedding, first), (self.head, last)) if m}
        groups: dict[str, list[nn.Parameter]] = {first: [], last: [], MATRICES: [], GAINS: []}
        for parameter in self.model.parameters():
            other = MATRICES if parameter.ndim > 1 else GAINS
            groups[names.get(id(parameter), other)].append(parameter)
        return {name: found for name, found in groups.items() if found}

    @property
    def trained(self) -> list[nn.Parameter]:
        """The parameters that training moves."""
        return [p for p in self.model.parameters() if p.requires_grad]

    def logits(self, ids: Tensor, finite: bool = True) -> Tensor:
        """Logits [B, S, V] in float32 of ids [B, S].

        Raises: `ParameterError` if they are to be finite, and are not.
        """
        found = _logits(self.model(ids.to(self.device)))
        assert found is not None
        if finite and not found.isfinite().all():
            diverged = "returns logits that are not finite: it has diverged, and has no measures"
            raise checks.ParameterError("model", self.name, diverged)
        return found.float()

    @contextmanager
    def at_rest(self, gradients: bool = False) -> Iterator[None]:
        """Without dropout, and without gradients unless asked for; then every mode as before."""
        modes = [(module, module.training) for module in self.model.modules()]
        self.model.eval()
        try:
            with torch.set_grad_enabled(gradients):
                yield
        finally:
            for module, mode in modes:
                module.training = mode


def _name(model: object) -> str:
    return type(model).__name__


def _too_few(model: nn.Module, has: str, largest: int) -> checks.ParameterError:
    problem = f"{has}, and the text has id {largest}: it is of another tokenizer"
    return checks.ParameterError("model", _name(model), problem)


def _logits(output: Any) -> Tensor | None:
    found = output if isinstance(output, Tensor) else getattr(output, "logits", None)
    return found if isinstance(found, Tensor) and found.is_floating_point() else None


def _embedding(model: nn.Module) -> Any:
    """The token embeddings: as transformers names them, else the largest of all embeddings."""
    found = _asked(model, "get_input_embeddings")
    if found is None:
        all_ = [m for m in model.modules() if isinstance(m, nn.Embedding)]
        found = max(all_, key=lambda module: len(module.weight), default=None)
    return found


def _head(model: nn.Module, size: int) -> Any:
    """The head: as transformers names it, else the last linear layer with so many outputs."""
    found = _asked(model, "get_output_embeddings")
    if found is None:
        all_ = [m for m in model.modules() if isinstance(m, nn.Linear) and len(m.weight) == size]
        found = all_[-1] if all_ else None
    return found


def _asked(model: nn.Module, method: str) -> Any:
    try:
        found = getattr(model, method)()
    except (AttributeError, NotImplementedError):
        return None
    weight = getattr(found, "weight", None)
    plain = isinstance(weight, Tensor) and weight.ndim == 2 and weight.is_floating_point()
    return found if plain else None
