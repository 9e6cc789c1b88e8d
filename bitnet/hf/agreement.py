"""How far an exported model agrees with ours, beside how far ours agrees with itself."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bitnet.checks import OneLineError
from bitnet.extras import remedy
from bitnet.hf.layout import needs_wrapper
from bitnet.transformer import BitNetModel

__all__ = [
    "BEYOND",
    "Agreement",
    "Difference",
    "ExportError",
    "agreement",
    "quiet",
    "require_transformers",
]

BEYOND = 1e-4  # a difference of logits that only a rounding to another level makes
WINDOWS, AT_ONCE = 64, 8  # windows that are looked at, and at a time: logits are large
MANY_BITS = 10.0  # times the model's own deviation, where a translation is wrong


class ExportError(OneLineError, RuntimeError):
    """A run cannot be exported; one line that says why."""


@dataclass(frozen=True)
class Difference:
    """Of two models' logits, at each position the largest difference over the vocabulary.

    `median` over the positions, and the share of them that lie `beyond` 1e-4.
    """

    median: float
    beyond: float

    def __str__(self) -> str:
        return f"median {self.median:.1e}, beyond {BEYOND:g} at {self.beyond:.1%} of the positions"


@dataclass(frozen=True)
class Agreement:
    """`exported`: the model in transformers against ours. `own`: the yardstick.

    That is our model against itself with every embedding moved by one bit, up and down. Where a
    sum differs in its last bit an activation can be rounded to another of its 8-bit levels, which
    moves logits far more: no two ways to compute this model agree to `allclose`.
    """

    positions: int
    exported: Difference
    own: Difference

    @property
    def close(self) -> bool:
        """Whether the two are the same model: they differ as the yardstick does."""
        return self.exported.median <= max(BEYOND, MANY_BITS * self.own.median)


def require_transformers() -> Any:
    """The package transformers.

    Raises: `ExportError` where it, or accelerate, which it loads ternary models with, is missing.
    """
    try:
        import accelerate  # noqa: F401
        import transformers
    except ImportError as error:
        problem = f"an export needs the packages transformers and accelerate ({error})"
        raise ExportError(f"{problem}; {remedy('export')}") from error
    return transformers


@torch.inference_mode()
def agreement(model: BitNetModel, folder: Path, length: int) -> Agreement:
    """The logits of a model and of its export in `folder`, on 64 windows of `length` random tokens.

    Raises: `ExportError` where transformers is missing.
    """
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(0, model.config.vocab_size, (WINDOWS, length), generator=generator)
    # Eager, since transformers compiles both quantizers, which takes a compiler and a minute.
    with torch.compiler.set_stance("force_eager"):
        theirs = _load(model, folder)
        exported = _differences(model, lambda rows: theirs(rows).logits, ids)
    own = [_differences(model, _moved(model, direction), ids) for direction in (1, -1)]
    return Agreement(ids.numel(), _summary(exported), _summary(torch.cat(own)))


def _load(model: BitNetModel, folder: Path) -> Any:
    """The exported model, without a word of transformers' own."""
    loader = require_transformers().AutoModelForCausalLM
    if needs_wrapper(model.config):  # as in the folder, where transformers would copy it from
        from bitnet.hf.modeling_normed_llama import NormedLlamaForCausalLM as loader
    with quiet():
        return loader.from_pretrained(folder)


@contextmanager
def quiet() -> Iterator[None]:
    """Without a word or a progress bar of transformers' own."""
    logging = require_transformers().logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _moved(model: BitNetModel, direction: int) -> BitNetModel:
    """A copy whose embeddings are the next numbers up or down that float32 has."""
    moved = copy.deepcopy(model)
    embeddings = moved.token_embeddings.weight
    embeddings.copy_(embeddings.nextafter(torch.tensor(direction * torch.inf)))
    return moved


def _differences(ours: BitNetModel, other: Callable[[Tensor], Tensor], ids: Tensor) -> Tensor:
    """The largest difference of logits at each position [B * S]."""
    found = [(ours(rows) - other(rows)).abs().amax(dim=-1) for rows in ids.split(AT_ONCE)]
    return torch.cat(found).flatten()


def _summary(differences: Tensor) -> Difference:
    beyond = (differences > BEYOND).double().mean().item()
    return Difference(differences.median().item(), beyond)
