"""One look at a subject: what it predicts and writes, by the measures of `bitnet.MEASURES`."""

from collections.abc import Iterator

import torch
from torch import Tensor

from bitnet.diagnosis.sample import Sample
from bitnet.diagnosis.subject import Subject
from bitnet.evaluation.diversity import CONTINUATION, OPENING, measure_logits
from bitnet.evaluation.evaluate import ROWS_A_CHUNK, SHOWN, abundances, top_tokens
from bitnet.evaluation.repetition import continuation_measures
from bitnet.records import Snapshot

__all__ = ["Features", "continued", "glance", "observe"]

ENTRIES_A_CHUNK = 2**22  # of logits at once: 16 MB


class Features:
    """The scatter [H, H] of what a head reads, gathered while the model runs; see `ranks`."""

    def __init__(self) -> None:
        self.count, self.sum, self.squares = 0, torch.zeros(()), torch.zeros(())

    def __call__(self, _: object, inputs: tuple[Tensor, ...]) -> None:
        x = inputs[0].detach().flatten(0, -2).double()
        self.count, self.sum = self.count + len(x), self.sum.to(x.device) + x.sum(0)
        self.squares = self.squares.to(x.device) + x.T @ x

    @property
    def scatter(self) -> Tensor | None:
        """Around the mean; None where no head was found, or it was not called."""
        if not self.count:
            return None
        return self.squares - torch.outer(self.sum, self.sum) / self.count


def glance(subject: Subject, sample: Sample, features: Features | None = None) -> tuple:
    """The measures of its predictions at the positions of the sample, and who won how often [V].

    See `measure_logits`. Raises: `ParameterError` for logits that are not finite.
    """
    rows = max(ROWS_A_CHUNK, ENTRIES_A_CHUNK // subject.vocab_size)
    at_once = max(1, rows // sample.windows.shape[1])

    def chunks() -> Iterator[tuple[Tensor, Tensor]]:
        for windows in sample.windows.split(at_once):
            logits = subject.logits(windows[:, :-1]).flatten(0, 1)
            yield logits, windows[:, 1:].flatten().to(logits.device)

    hook = None
    if features is not None and subject.head is not None:
        hook = subject.head.register_forward_pre_hook(features)
    try:
        with subject.at_rest():
            return measure_logits(chunks(), subject.vocab_size)
    finally:
        if hook is not None:
            hook.remove()


def observe(
    subject: Subject, sample: Sample, features: Features
) -> tuple[dict[str, float], Snapshot]:
    """Every measure by its standard name, and what it says: winners and greedy continuations."""
    measures, counts = glance(subject, sample, features)
    with subject.at_rest():
        answers = subject.logits(sample.prompts)[:, -1].argmax(dim=-1)
        said = continued(subject, sample.passages[:, :OPENING])
    snapshot = Snapshot(
        top_tokens(counts, sample.unigram), abundances(counts), [], said[:SHOWN].tolist()
    )
    counted = {"unique_predictions": answers.unique().numel()}
    return counted | measures | continuation_measures(said), snapshot


def continued(subject: Subject, openings: Tensor) -> Tensor:
    """Greedy continuations [B, 24] of openings [B, 8]; each token reads all before it anew."""
    ids = openings
    for _ in range(CONTINUATION):
        following = subject.logits(ids)[:, -1].argmax(dim=-1, keepdim=True).cpu()
        ids = torch.cat([ids, following], dim=1)
    return ids[:, openings.shape[1] :]
