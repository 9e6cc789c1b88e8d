"""What a training tells as it goes: records, snapshots, and that it has diverged. Plain data."""

from dataclasses import dataclass, field

__all__ = ["Diverged", "Record", "Snapshot"]


class Diverged(ArithmeticError):
    """The loss of a run is no longer a finite number."""


@dataclass(frozen=True)
class Snapshot:
    """What a model says at one moment, as token ids.

    `top_tokens`: the tokens that win most held-out positions, as (id, share of the positions,
    share in the training text). `abundances`: (how often, how many tokens won that often), enough
    to say what a smaller probe would have counted. For each of the first 8 passages of the probe,
    after its opening: `next_tokens`, the likeliest as (id, probability), and `continuations`, 24
    tokens decoded greedily.
    """

    top_tokens: list[tuple[int, float, float]]
    abundances: list[tuple[int, int]]
    next_tokens: list[list[tuple[int, float]]]
    continuations: list[list[int]]


@dataclass(frozen=True)
class Record:
    """A run after update `step`: the loss of its batch (nats), its rates, perhaps an evaluation.

    `measures` are named in `bitnet.evaluation.measures`, `health` in `bitnet.evaluation.weights`.
    """

    step: int
    loss: float
    lr: float
    wd: float
    measures: dict[str, float] = field(default_factory=dict)
    health: dict[str, float] = field(default_factory=dict)
    snapshot: Snapshot | None = None
