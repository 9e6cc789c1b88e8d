"""The facts of a diagnosis: everything measured, before anything is said of it."""

from dataclasses import dataclass

from bitnet.diagnosis.look import Features, observe
from bitnet.diagnosis.optimizer import Stepper
from bitnet.diagnosis.sample import Sample
from bitnet.diagnosis.subject import Subject
from bitnet.diagnosis.weights import Ends, Group, ends, gradients, groups, moved, ranks
from bitnet.evaluation.diversity import OPENING, state
from bitnet.evaluation.evaluate import SHOWN
from bitnet.records import Snapshot

__all__ = ["Facts", "OptimizerFacts", "gather"]


@dataclass(frozen=True)
class OptimizerFacts:
    """An optimizer's class, kind of decay (one of `KINDS`), largest coefficient and rate.

    `updates` is how many it has made, 0 where it does not count. `moved` is how far its next update
    turns the predictions, mean KL divergence in nats; NaN where it has no moments yet, or they are
    of a kind that is not known.
    """

    name: str
    kind: str
    coefficient: float
    rate: float
    updates: int
    moved: float


@dataclass(frozen=True)
class Facts:
    """A model on a text: measures with their references, state, weights, and its optimizer's.

    `openings` are those that the snapshot's continuations continue. `tied` is whether embedding and
    head are one matrix, `declared_tied` what the configuration says of it. `embedding_size` is the
    root mean square of an embedding's entries. `ranks` are (effective rank, largest possible).
    """

    model: str
    parameters: int
    vocab_size: int
    tokens: int
    positions: int
    measures: dict[str, float]
    references: dict[str, float]
    snapshot: Snapshot
    openings: list[list[int]]
    groups: list[Group]
    ends: Ends
    ranks: dict[str, tuple[float, int]]
    has_head: bool
    tied: bool
    declared_tied: bool | None
    embedding_size: float
    optimizer: OptimizerFacts | None

    @property
    def state(self) -> str:
        """Dead, collapsed, learning or diverse; see `bitnet.state`."""
        return state(self.measures, self.references)


def gather(subject: Subject, sample: Sample, stepper: Stepper | None) -> Facts:
    """The facts of a subject on a sample of text. It is left as it was, and so is the optimizer.

    Raises: `ParameterError` for logits that are not finite.
    """
    features = Features()
    measures, snapshot = observe(subject, sample, features)
    gradient = gradients(subject, sample)
    embedding = subject.embedding
    optimizer = None
    if stepper is not None:
        turned = moved(subject, sample, stepper)
        optimizer = OptimizerFacts(
            stepper.name, stepper.kind, stepper.coefficient, stepper.rate, stepper.updates, turned
        )
    return Facts(
        model=subject.name,
        parameters=sum(p.numel() for p in subject.model.parameters()),
        vocab_size=subject.vocab_size,
        tokens=int(sample.counts.sum()),
        positions=sample.windows[:, 1:].numel(),
        measures=measures,
        references=sample.references,
        snapshot=snapshot,
        openings=sample.passages[:SHOWN, :OPENING].tolist(),
        groups=groups(subject, gradient, stepper),
        ends=ends(subject, sample, gradient, stepper),
        ranks=ranks(subject, features),
        has_head=subject.head is not None,
        tied=subject.tied,
        declared_tied=subject.declared_tied,
        embedding_size=(
            float("nan") if embedding is None
            else embedding.weight.detach().double().square().mean().sqrt().item()
        ),
        optimizer=optimizer,
    )  # fmt: skip
