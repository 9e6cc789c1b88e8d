"""One look at a model: its measures, and what it says at that moment in tokens."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
import torch

from bitnet.decode import continue_prompts
from bitnet.diversity import CONTINUATION, OPENING, Probe, continuation_measures, measure_logits
from bitnet.head import head_logits
from bitnet.transformer import BitNetModel

__all__ = ["SHOWN", "Snapshot", "decoding_scores", "measure", "observe"]

ROWS_A_CHUNK = 128  # of logits at once, as in a training step: 26 MB at GPT-2's vocabulary
TOP_TOKENS = 20  # kept of the winners
SHOWN = 8  # passages whose answers are kept
NEXT_TOKENS = 3  # kept of each answer


@dataclass(frozen=True)
class Snapshot:
    """What a model says, as token ids.

    `top_tokens`: the tokens that win most held-out positions, as (id, share of the positions, share in the training
    text). `abundances`: (how often, how many tokens won that often), enough to say what a smaller probe would have
    counted. For each of the first 8 passages of the probe, after its opening: `next_tokens`, the likeliest as (id,
    probability), and `continuations`, 24 tokens decoded greedily.
    """

    top_tokens: list[tuple[int, float, float]]
    abundances: list[tuple[int, int]]
    next_tokens: list[list[tuple[int, float]]]
    continuations: list[list[int]]


def measure(model: BitNetModel, probe: Probe) -> dict[str, float]:
    """Every measure of a model at this moment, by its standard name; see `observe`."""
    return observe(model, probe)[0]


@torch.inference_mode()
def observe(model: BitNetModel, probe: Probe) -> tuple[dict[str, float], Snapshot]:
    """The measures of a model by their standard names, and a snapshot of what it says.

    `unique_predictions` is the brief's probe: distinct argmax after 20 random prompts. `seq_rep_4`, `distinct_1` and
    `distinct_2` are of greedy continuations of the probe's 32 passages. For the others see `measure_logits`.
    """
    weight = model.lm_head.weight
    windows, openings = probe.windows.to(weight.device), probe.passages[:, :OPENING].to(weight.device)
    features = model.features(windows[:, :-1]).flatten(0, 1).split(ROWS_A_CHUNK)
    targets = windows[:, 1:].flatten().split(ROWS_A_CHUNK)
    measures, counts = measure_logits(
        ((head_logits(x, weight), y) for x, y in zip(features, targets, strict=True)), model.config.vocab_size
    )
    answers = model.lm_head(model.features(probe.prompts.to(weight.device))[:, -1]).argmax(-1)
    continuations = continue_prompts(model, openings, CONTINUATION)
    shares, ids = model(openings[:SHOWN])[:, -1].softmax(-1).topk(NEXT_TOKENS)

    wins, winners = counts.topk(min(TOP_TOKENS, int((counts > 0).sum())))
    times, tokens = counts[counts > 0].long().unique(return_counts=True)
    snapshot = Snapshot(
        top_tokens=[
            (i, n / counts.sum().item(), probe.unigram[i].item()) for n, i in zip(wins.tolist(), winners.tolist(), strict=True)
        ],
        abundances=list(zip(times.tolist(), tokens.tolist(), strict=True)),
        next_tokens=[list(zip(i, p, strict=True)) for i, p in zip(ids.tolist(), shares.tolist(), strict=True)],
        continuations=continuations[:SHOWN].tolist(),
    )
    counted = {"unique_predictions": answers.unique().numel()}
    return counted | measures | continuation_measures(continuations), snapshot


def decoding_scores(models: Mapping[str, BitNetModel], probe: Probe, **sampling: float) -> pd.DataFrame:
    """`continuation_measures` of the probe's passages as people wrote them, and as each named model continues them.

    One row a model and way, greedy and sampled; `sampling` are the arguments of `continue_prompts`.
    """
    openings, rest = probe.passages[:, :OPENING], probe.passages[:, OPENING:]
    scores = {("human text", ""): continuation_measures(rest)}
    for name, model in models.items():
        for way, settings in (("greedy", {}), ("sampled", sampling)):
            said = continue_prompts(model, openings, CONTINUATION, **settings)  # type: ignore[arg-type]
            scores[name, way] = continuation_measures(said)
    return pd.DataFrame(scores).T
