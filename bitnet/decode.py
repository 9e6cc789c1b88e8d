"""Decoding: continuing prompts with a key/value cache, greedily or by sampling."""

from collections.abc import Sequence

import torch
from torch import Tensor

from bitnet import checks
from bitnet.linear import weights_kept
from bitnet.tokenizer import Vocabulary, gpt2
from bitnet.transformer import BitNetModel, Cache

__all__ = ["check_sampling", "continue_prompts", "prompt_ids", "sampling_distribution"]


def prompt_ids(texts: str | Sequence[str], vocabulary: Vocabulary | None = None) -> Tensor:
    """Prompts as texts, or one text with | between them -> ids [B, S] of a vocabulary (GPT-2's).

    S is the length of the shortest; longer ones keep their last S tokens.

    Raises: `ParameterError` where there is no text.
    """
    parts = texts.split("|") if isinstance(texts, str) else texts
    known = isinstance(parts, Sequence) and all(isinstance(part, str) for part in parts)
    asked = [checks.text("prompts", p.strip()) for p in parts if p.strip()] if known else []
    ids = (vocabulary or gpt2()).encode(asked)
    if not ids:
        allowed = "must be one or more texts, with | between them"
        raise checks.ParameterError("prompts", texts, allowed)
    length = min(map(len, ids))
    return torch.tensor([row[-length:] for row in ids])


@torch.inference_mode()
def continue_prompts(
    model: BitNetModel,
    prompts: Tensor,
    new_tokens: int,
    temperature: float = 0.0,
    top_k: int = 0,
    top_p: float = 1.0,
    seed: int = 0,
) -> Tensor:
    """Prompts [B, S] -> their continuations [B, new_tokens], on the host; greedy for temperature 0.

    Otherwise each token is drawn from softmax(logits / temperature), kept to the `top_k` likeliest
    (0: all; Fan et al. 2018) and then to the smallest set of them that holds `top_p` of the
    probability (Holtzman et al. 2020). The draws depend on `seed` alone.

    Raises: `ParameterError` for values out of range.
    """
    new_tokens, temperature, top_k, top_p, seed = check_sampling(
        new_tokens, temperature, top_k, top_p, seed
    )
    generator = torch.Generator().manual_seed(seed)
    cache = Cache()
    ids, chosen = prompts.to(model.lm_head.weight.device), []
    with weights_kept(model):
        for _ in range(new_tokens):
            logits = model.lm_head(model.features(ids, cache)[:, -1])
            if temperature == 0:
                ids = logits.argmax(dim=-1, keepdim=True)
            else:
                shares = sampling_distribution(logits.float().cpu(), temperature, top_k, top_p)
                ids = torch.multinomial(shares, 1, generator=generator).to(ids.device)
            chosen.append(ids)
    return torch.cat(chosen, dim=1).cpu()


def check_sampling(
    new_tokens: object, temperature: object, top_k: object, top_p: object, seed: object
) -> tuple[int, float, int, float, int]:
    """The arguments of `continue_prompts`, checked and converted. Raises: `ParameterError`."""
    return (
        checks.integer("new_tokens", new_tokens, 1, 2**20),
        checks.number("temperature", temperature, 0.0),
        checks.integer("top_k", top_k, 0),
        checks.number("top_p", top_p, 1e-6, 1.0),
        checks.integer("seed", seed, 0, 2**31 - 1),
    )


def sampling_distribution(logits: Tensor, temperature: float, top_k: int, top_p: float) -> Tensor:
    """Logits [B, V] -> the probabilities [B, V] of drawing each token; see `continue_prompts`."""
    below = logits - logits.amax(
        dim=-1, keepdim=True
    )  # so that no temperature, however low, makes an infinity
    ordered, order = (below / max(temperature, 1e-30)).sort(dim=-1, descending=True)
    if top_k:
        ordered[:, top_k:] = -torch.inf
    shares = ordered.softmax(dim=-1)
    if top_p < 1:  # a token stays while those likelier than it hold less than top_p
        before = shares.cumsum(dim=-1) - shares
        shares = shares.masked_fill(before >= top_p, 0.0)
    return torch.zeros_like(shares).scatter(1, order, shares / shares.sum(dim=-1, keepdim=True))
