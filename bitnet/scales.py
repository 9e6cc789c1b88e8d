"""The scales of an experiment: the brief's own size, and a miniature a hundred times cheaper."""

from dataclasses import dataclass

from bitnet import checks
from bitnet.config import GPT2_VOCABULARY, RunConfig

__all__ = ["FULL", "MINIATURE", "SCALES", "Scale", "choose_scale", "full_length", "scale_of"]


@dataclass(frozen=True)
class Scale:
    """Sizes that belong together, and the registered plan that a run of them is judged by.

    `steps` is the length of the plan, `plan` its grid file, and `results` the folder of its
    committed runs, both as `committed` takes them. A run belongs to a scale by its vocabulary and
    its batch; width and length may be others.
    """

    name: str
    hidden: int
    vocabulary: int
    batch_size: int
    sequence_length: int
    steps: int
    plan: str
    results: str


FULL = Scale(
    "full", hidden=256, vocabulary=GPT2_VOCABULARY, batch_size=4, sequence_length=32, steps=20_000,
    plan="params/plan.yaml", results="results/runs",
)  # fmt: skip
MINIATURE = Scale(
    "miniature", hidden=64, vocabulary=4096, batch_size=8, sequence_length=32, steps=6_000,
    plan="params/miniature.yaml", results="results/miniature-runs",
)  # fmt: skip
SCALES = {scale.name: scale for scale in (FULL, MINIATURE)}


def choose_scale(name: object, on_gpu: bool) -> Scale:
    """The scale of that name; "auto" is full on a GPU and miniature on a CPU.

    Raises: `ParameterError` for another name.
    """
    chosen = checks.choice("scale", name, ("auto", *SCALES))
    return SCALES[("full" if on_gpu else "miniature") if chosen == "auto" else chosen]


def scale_of(config: RunConfig) -> Scale | None:
    """The scale that a run belongs to, by its vocabulary and batch; None where it is neither."""
    for scale in SCALES.values():
        sizes = (scale.vocabulary, scale.batch_size, scale.sequence_length)
        if sizes == (config.vocabulary, config.batch_size, config.sequence_length):
            return scale
    return None


def full_length(config: RunConfig) -> bool:
    """Whether a run is as long as the registered plan of its scale; of no scale, no."""
    scale = scale_of(config)
    return scale is not None and config.steps >= scale.steps
