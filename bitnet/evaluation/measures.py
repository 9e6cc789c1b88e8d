"""The measures of a model, in one table that figures, tables, files, verdict and docs read."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["MEASURES", "MISSING", "SEPARATORS", "Measure", "number", "reference_value"]

MISSING = "\u2013"  # a dash, in place of a value that is not there
# Of decimals and of thousands, as plotly takes them; the latter a thin space that breaks no line.
SEPARATORS = ".\u202f"


def number(value: float | None, decimals: int = 0) -> str:
    """A number as people write it: 20 000, 6.830, never -0.0; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return MISSING
    rounded = round(float(value), decimals) + 0.0  # which makes 0.0 of -0.0
    return f"{rounded:,.{decimals}f}".replace(",", SEPARATORS[1])


@dataclass(frozen=True)
class Measure:
    """One measure and how to show it.

    `name` is its name in files and histories, `label` that on an axis, `column` that in a table.
    `reference` names the value to read it against, a key of `History.references` ("" where there
    is none), and `beside` says what that value is. `better` is the direction of learning:
    "higher", "lower", or "" where the number alone does not tell. `decimals` are those shown.
    `also` are further values to read it against, of which older runs may lack some, and what they
    are.
    """

    name: str
    label: str
    column: str
    unit: str
    reference: str
    beside: str
    better: str
    decimals: int
    meaning: str
    also: Mapping[str, str] = field(default_factory=dict)

    @property
    def levels(self) -> dict[str, str]:
        """Every value to read it against, and what that is: `reference` first, then `also`."""
        return {self.reference: self.beside, **self.also} if self.reference else {}

    @property
    def counts(self) -> bool:
        """Whether it counts things over many powers of ten, and so belongs on a log axis."""
        return self.unit == "tokens" and self.reference.startswith("human_")

    @property
    def d3(self) -> str:
        """How plotly is to write a value, in d3's language; see `SEPARATORS`."""
        return f",.{self.decimals}f"

    def text(self, value: float | None) -> str:
        """A value as people write it, with as many decimals as are shown of this measure."""
        return number(value, self.decimals)


MEASURES: dict[str, Measure] = {
    measure.name: measure
    for measure in (
        Measure(
            "unique_predictions", "distinct of 20 (20-prompt probe)", "20-prompt probe", "tokens",
            "unique_predictions_ceiling", "ceiling", "", 0,
            "the published probe: distinct argmax after 20 random 8-token prompts; at most 20",
        ),
        Measure(
            "unique_tokens", "distinct argmax tokens", "unique tokens", "tokens",
            "human_unique_tokens", "the text itself", "higher", 0,
            "distinct argmax over the held-out positions (\"uniq\" of Welleck et al. 2020)",
        ),
        Measure(
            "effective_tokens", "effective tokens", "effective tokens", "tokens",
            "human_effective_tokens", "the text itself", "higher", 1,
            "the same count, weighted: exp of the entropy of the argmax histogram",
        ),
        Measure(
            "top1_share", "share of the commonest argmax", "top-1 share", "share",
            "human_top1_share", "the text itself", "lower", 2,
            "share of the held-out positions won by the commonest argmax",
        ),
        Measure(
            "context_information", "mutual information (nats)", "mutual information", "nats",
            "", "", "higher", 2,
            "mutual information of context and prediction, H(mean p) - mean H(p): 0 for a dead and "
            "for a collapsed model",
        ),
        Measure(
            "predictive_entropy", "predictive entropy (nats)", "entropy", "nats",
            "ln_vocabulary", "ln V, a uniform prediction", "lower", 2,
            "mean entropy of the prediction; ln V for a dead model",
        ),
        Measure(
            "val_loss", "held-out loss (nats a token)", "held-out loss", "nats",
            "unigram_loss", "unigram model", "lower", 2,
            "cross-entropy of the true next token on held-out text",
            {"bigram_loss": "bigram model", "trigram_loss": "trigram model"},
        ),
        Measure(
            "seq_rep_4", "repeated 4-grams (seq-rep-4)", "repeated 4-grams", "share",
            "human_seq_rep_4", "the text itself", "lower", 2,
            "share of repeated 4-grams within each of 32 greedy continuations (seq-rep-4)",
        ),
        Measure(
            "distinct_1", "distinct tokens in continuations (distinct-1)", "distinct-1", "share",
            "human_distinct_1", "the text itself", "higher", 2,
            "distinct tokens over all tokens, of all continuations together",
        ),
        Measure(
            "distinct_2", "distinct 2-grams in continuations (distinct-2)", "distinct-2", "share",
            "human_distinct_2", "the text itself", "higher", 2,
            "distinct 2-grams over all 2-grams, of all continuations together",
        ),
    )
}  # fmt: skip


def reference_value(name: str, references: Mapping[str, float]) -> float | None:
    """The value to read a measure against, from a run's references; None where there is none."""
    return references.get(MEASURES[name].reference)
