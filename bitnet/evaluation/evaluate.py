"""One look at a model: its measures, the health of its weights, and what it says in tokens."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from bitnet.config import RunConfig
from bitnet.data import Corpus
from bitnet.decode import continue_prompts
from bitnet.evaluation.diversity import CONTINUATION, OPENING, Probe, measure_logits
from bitnet.evaluation.repetition import continuation_measures
from bitnet.evaluation.weights import WeightHealth
from bitnet.records import Snapshot
from bitnet.runtime.kernels import head_logits
from bitnet.transformer import BitNetModel

__all__ = [
    "ROWS_A_CHUNK", "SHOWN", "Evaluation", "abundances", "decoding_scores", "measure", "observe",
    "top_tokens",
]  # fmt: skip

ROWS_A_CHUNK = 128  # of logits at once, as in a training step: 26 MB at GPT-2's vocabulary
TOP_TOKENS = 20  # kept of the winners
SHOWN = 8  # passages whose answers are kept
NEXT_TOKENS = 3  # kept of each answer


class Evaluation:
    """What a run's trainer is handed to be evaluated with; see `bitnet.train.Evaluator`."""

    def __init__(self, config: RunConfig, corpus: Corpus):
        self.probe = Probe.from_corpus(corpus, config.probe_positions, config.sequence_length)
        self.health = WeightHealth(corpus.counts, config.recipe.decayed)

    def __call__(
        self, model: BitNetModel, wd: float
    ) -> tuple[dict[str, float], dict[str, float], Snapshot]:
        measures, snapshot = observe(model, self.probe)
        return measures, self.health(model, wd), snapshot

    def state(self) -> dict[str, Tensor]:
        """The ternary values of the last two evaluations, by name."""
        return self.health.state()

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take a `state` back."""
        self.health.restore(tensors)


def measure(model: BitNetModel, probe: Probe) -> dict[str, float]:
    """Every measure of a model at this moment, by its standard name; see `observe`."""
    return observe(model, probe)[0]


@torch.inference_mode()
def observe(model: BitNetModel, probe: Probe) -> tuple[dict[str, float], Snapshot]:
    """The measures of a model by their standard names, and a snapshot of what it says.

    `unique_predictions` is the 20-prompt probe: distinct argmax after 20 random prompts.
    `seq_rep_4`, `distinct_1` and `distinct_2` are of greedy continuations of the probe's 32
    passages. For the others see `measure_logits`.
    """
    weight = model.lm_head.weight
    windows = probe.windows.to(weight.device)
    openings = probe.passages[:, :OPENING].to(weight.device)
    features = model.features(windows[:, :-1]).flatten(0, 1).split(ROWS_A_CHUNK)
    targets = windows[:, 1:].flatten().split(ROWS_A_CHUNK)
    measures, counts = measure_logits(
        ((head_logits(x, weight), y) for x, y in zip(features, targets, strict=True)),
        model.config.vocab_size,
    )
    answers = model.lm_head(model.features(probe.prompts.to(weight.device))[:, -1]).argmax(-1)
    continuations = continue_prompts(model, openings, CONTINUATION)
    shares, ids = model(openings[:SHOWN])[:, -1].softmax(-1).topk(NEXT_TOKENS)
    next_tokens = zip(ids.tolist(), shares.tolist(), strict=True)
    snapshot = Snapshot(
        top_tokens=top_tokens(counts, probe.unigram),
        abundances=abundances(counts),
        next_tokens=[list(zip(i, p, strict=True)) for i, p in next_tokens],
        continuations=continuations[:SHOWN].tolist(),
    )
    counted = {"unique_predictions": answers.unique().numel()}
    return counted | measures | continuation_measures(continuations), snapshot


def top_tokens(counts: Tensor, unigram: Tensor) -> list[tuple[int, float, float]]:
    """(id, share of the positions, share in the training text) of the commonest winners [V]."""
    wins, winners = counts.topk(min(TOP_TOKENS, int((counts > 0).sum())))
    total = counts.sum().item()
    pairs = zip(wins.tolist(), winners.tolist(), strict=True)
    return [(token, count / total, unigram[token].item()) for count, token in pairs]


def abundances(counts: Tensor) -> list[tuple[int, int]]:
    """(how often, how many tokens won that often), from the wins of each token [V]."""
    times, tokens = counts[counts > 0].long().unique(return_counts=True)
    return list(zip(times.tolist(), tokens.tolist(), strict=True))


def decoding_scores(
    models: Mapping[str, BitNetModel], probe: Probe, **sampling: Any
) -> pd.DataFrame:
    """`continuation_measures` of the probe's passages: as people wrote them, and by each model.

    One row a model and way, greedy and sampled; `sampling` are the arguments of
    `continue_prompts`.
    """
    openings, rest = probe.passages[:, :OPENING], probe.passages[:, OPENING:]
    scores = {("human text", ""): continuation_measures(rest)}
    for name, model in models.items():
        for way, settings in (("greedy", {}), ("sampled", sampling)):
            said = continue_prompts(model, openings, CONTINUATION, **settings)
            scores[name, way] = continuation_measures(said)
    return pd.DataFrame(scores).T
