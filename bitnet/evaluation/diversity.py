"""What a model predicts on fixed held-out text: diversity, collapse, and whether it learned."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from bitnet import checks
from bitnet.data import Corpus
from bitnet.evaluation.ngrams import ngram_losses
from bitnet.evaluation.repetition import continuation_measures

__all__ = [
    "CONTINUATION",
    "DOWN",
    "OPENING",
    "STATES",
    "Probe",
    "measure_logits",
    "random_prompts",
    "rarefaction",
    "spread",
    "state",
    "text_references",
]

# The 20-prompt probe: the argmax after 20 prompts of 8 uniformly random tokens.
PROMPTS, PROMPT_LENGTH = 20, 8
PROBE_SEED = 20  # fixed, so that every run of every seed is asked the same prompts
# Passages that a model is asked to continue, within the length that the brief trains at.
PASSAGES, OPENING, CONTINUATION = 32, 8, 24

# States, by thresholds fixed before any long run. A dead network is uniform: its entropy is that of
# ln V to within 1 % (PyTorch's initialisation stands at 98.5 %). A collapsed one ignores its
# context (less than a tenth of a nat of mutual information; a bigram model has several nats) or
# gives half of all positions to one token (the commonest token of English text has about 5 %). A
# diverse one has learned (loss below the unigram model's) and passes the brief's bar of 50 distinct
# tokens, of which at least 10 count effectively.
DEAD_ENTROPY_SHARE = 0.99
COLLAPSED_CONTEXT_INFORMATION = 0.1
COLLAPSED_TOP1_SHARE = 0.5
DIVERSE_UNIQUE_TOKENS = 50
DIVERSE_EFFECTIVE_TOKENS = 10
STATES = ("dead", "collapsed", "learning", "diverse")
DOWN = STATES[:2]  # the context is ignored


@dataclass(frozen=True)
class Probe:
    """The fixed questions put to a model: `windows` [n, S], `prompts` [20, 8], `passages`.

    Every window of held-out text yields S - 1 positions with a known next token. The prompts are
    random ids. Of each passage [32, 32] of held-out text the first 8 tokens are given, to be
    continued. `references` are the values that
    give the measures their meaning: ceilings, the human text's own values, ln V, the losses of the
    unigram model and of tables of word pairs and triples, and the bytes that a loss in bits a byte
    is shared among.
    """

    windows: Tensor
    prompts: Tensor
    passages: Tensor
    corpus: Corpus

    @classmethod
    def from_corpus(cls, corpus: Corpus, positions: int = 4096, length: int = 32) -> "Probe":
        """Evenly spaced held-out windows with `positions` positions or a few more.

        Fewer only if the text has no more.
        """
        windows = spread(corpus.held_out, length, math.ceil(positions / (length - 1)))
        passages = spread(corpus.held_out, OPENING + CONTINUATION, PASSAGES)
        return cls(windows, random_prompts(corpus.vocab_size), passages, corpus)

    @property
    def unigram(self) -> Tensor:
        """The unigram model [V]: the share of each token in the training text, smoothed."""
        return self.corpus.unigram

    @cached_property
    def references(self) -> dict[str, float]:
        """Ceilings and comparison values of the measures, by name."""
        lengths = torch.tensor(self.corpus.vocabulary.lengths)
        targets = self.windows[:, 1:].flatten()
        return {
            "unique_predictions_ceiling": PROMPTS,
            **text_references(self.windows, self.passages, self.unigram),
            **ngram_losses(self.corpus.train, self.windows, self.corpus.vocab_size),
            "bytes_a_token": lengths[targets].double().mean().item(),
        }


def text_references(windows: Tensor, passages: Tensor, unigram: Tensor) -> dict[str, float]:
    """What the text itself has at the positions of `windows` [n, S], and its model of counts.

    `passages` [n, S] are as the probe's, `unigram` [V] the share of each token elsewhere in it.
    """
    targets = windows[:, 1:].flatten()
    counts = torch.bincount(targets, minlength=len(unigram)).double()
    return {
        "unique_tokens_ceiling": min(targets.numel(), len(unigram)),
        "human_unique_tokens": int((counts > 0).sum()),
        "human_effective_tokens": _effective(counts),
        "human_top1_share": (counts.max() / counts.sum()).item(),
        "ln_vocabulary": math.log(len(unigram)),
        **{
            f"human_{name}": value
            for name, value in continuation_measures(passages[:, OPENING:]).items()
        },
        "unigram_loss": -unigram.double()[targets].log().mean().item(),
    }


def measure_logits(
    chunks: Iterable[tuple[Tensor, Tensor]], vocab_size: int
) -> tuple[dict[str, float], Tensor]:
    """The measures of predictions, and how often each token won [V].

    The predictions come as chunks of (logits [N, V], true next tokens [N]).
    `unique_tokens`: distinct argmax over the positions ("uniq" of Welleck et al. 2020).
    `effective_tokens`: exp of the entropy of the argmax histogram. `top1_share`: share of the
    commonest argmax. `predictive_entropy`: mean H(p). `context_information`: H(mean p) - mean H(p),
    the mutual information of context and prediction (the log of the Inception Score, Salimans et
    al. 2016). `val_loss`: mean cross-entropy of the true next token. Entropies and losses are in
    nats. The mean distribution and the histogram are over all chunks together. The logits are
    overwritten.
    """
    counts = torch.zeros(vocab_size, dtype=torch.float64)
    mean_p: Tensor | float = 0.0
    buffer: Tensor | None = None
    entropy = loss = 0.0
    total = 0
    for z, targets in chunks:
        winners = z.argmax(dim=-1)
        z.sub_(z.amax(dim=-1, keepdim=True))
        p = torch.exp(z, out=buffer if buffer is not None and buffer.shape == z.shape else None)
        buffer = p
        mass = p.sum(dim=-1)
        log_mass = mass.log()
        # H(p) = ln sum e^z - sum p z, and the loss of the target is ln sum e^z - z_target
        entropy += (log_mass - torch.linalg.vecdot(p, z) / mass).double().sum().item()
        loss += (log_mass - z.gather(1, targets[:, None])[:, 0]).double().sum().item()
        mean_p = mean_p + ((1 / mass) @ p).double()
        counts += torch.bincount(winners, minlength=vocab_size).cpu()
        total += len(targets)
    assert isinstance(mean_p, Tensor), "no positions to measure"
    mean_p = mean_p / total
    mixture_entropy = torch.special.entr(mean_p).sum().item()
    measures = {
        "unique_tokens": int((counts > 0).sum()),
        "effective_tokens": _effective(counts),
        "top1_share": (counts.max() / counts.sum()).item(),
        "context_information": max(
            0.0, mixture_entropy - entropy / total
        ),  # not negative, but for rounding
        "predictive_entropy": entropy / total,
        "val_loss": loss / total,
    }
    return measures, counts


def rarefaction(abundances: Sequence[tuple[int, int]], positions: int) -> float:
    """How many distinct winners a probe of so many positions counts, expected over all choices.

    `abundances`: (times, tokens), how many tokens won how many positions. Raises: `ParameterError`
    for more positions than there are. Source: Hurlbert 1971, eq. 16.
    """
    total = sum(times * tokens for times, tokens in abundances)
    checks.integer("positions", positions, 1, total)

    def missed(times: int) -> float:
        """The probability that none of a token's positions is chosen.

        C(total - times, n) / C(total, n).
        """
        if total - times < positions:
            return 0.0
        terms = (total - times, total - positions, -total, -(total - times - positions))
        return math.exp(sum(math.copysign(math.lgamma(abs(n) + 1), n) for n in terms if n))

    return sum(tokens * (1 - missed(times)) for times, tokens in abundances)


def state(measures: dict[str, float], references: dict[str, float]) -> str:
    """One of `STATES`: dead (uniform), collapsed (one token or no context), diverse, learning."""
    if measures["predictive_entropy"] >= DEAD_ENTROPY_SHARE * references["ln_vocabulary"]:
        return "dead"
    if (
        measures["context_information"] < COLLAPSED_CONTEXT_INFORMATION
        or measures["top1_share"] > COLLAPSED_TOP1_SHARE
        or not math.isfinite(measures["val_loss"])
    ):
        return "collapsed"
    if (
        measures["val_loss"] < references["unigram_loss"]
        and measures["unique_tokens"] > DIVERSE_UNIQUE_TOKENS
        and measures["effective_tokens"] >= DIVERSE_EFFECTIVE_TOKENS
    ):
        return "diverse"
    return "learning"


def random_prompts(vocab_size: int) -> Tensor:
    """The 20-prompt probe [20, 8]: the same ids for every model of a vocabulary."""
    generator = torch.Generator().manual_seed(PROBE_SEED)
    return torch.randint(0, vocab_size, (PROMPTS, PROMPT_LENGTH), generator=generator)


def spread(blocks: Tensor, length: int, wanted: int) -> Tensor:
    """Evenly spaced pieces [n, length] of blocks of text; n is at most `wanted`."""
    pieces = blocks[:, : blocks.shape[1] // length * length].reshape(-1, length)
    return pieces[torch.linspace(0, len(pieces) - 1, min(wanted, len(pieces))).round().long()]


def _effective(counts: Tensor) -> float:
    """exp of the entropy of a histogram of counts [V]."""
    return math.exp(torch.special.entr(counts / counts.sum()).sum().item())
