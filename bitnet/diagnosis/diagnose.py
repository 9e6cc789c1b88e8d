"""The diagnosis of a language model: its facts on a text, and what they say."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from bitnet.analysis.preflight import Finding
from bitnet.diagnosis.facts import Facts, gather
from bitnet.diagnosis.findings import findings
from bitnet.diagnosis.optimizer import Stepper
from bitnet.diagnosis.sample import POSITIONS, Sample
from bitnet.diagnosis.words import Words

__all__ = ["Diagnosis", "diagnose"]


@dataclass(frozen=True)
class Diagnosis:
    """What was measured, what it says, and the words to show it in.

    `findings` are warnings, then notes; each has a `subject` of a word or two and a `message`.
    """

    facts: Facts
    findings: list[Finding]
    words: Words = field(repr=False, default_factory=Words)

    @property
    def state(self) -> str:
        """Dead, collapsed, learning or diverse."""
        return self.facts.state

    @property
    def measures(self) -> dict[str, float]:
        """Every measure by its standard name; see `bitnet.MEASURES`."""
        return self.facts.measures

    @property
    def references(self) -> dict[str, float]:
        """The values to read the measures against, by name."""
        return self.facts.references

    @property
    def warnings(self) -> list[Finding]:
        """The findings that are more than notes."""
        return [finding for finding in self.findings if finding.level == "warning"]

    def __str__(self) -> str:
        said = [f"{f.level}: {f.subject}: {f.message}" for f in self.findings]
        return "\n".join([f"{self.facts.model}: {self.state}", *said])


def diagnose(
    model: nn.Module,
    text: str | Tensor | Sequence[int],
    optimizer: Any = None,
    tokenizer: Any = None,
    positions: int = POSITIONS,
) -> Diagnosis:
    """Measure any causal language model on a text, and say what is wrong with it.

    `model` maps ids [B, S] to logits [B, S, V] or to an object with such `logits`, as the models of
    transformers do; it is asked in windows of 32 tokens, at `positions` of them. `text` are ids of
    at least 4 096 tokens that the model was not trained on, or a text with its `tokenizer` (of
    transformers, of tokenizers, or a `Vocabulary`). With the `optimizer` that trains it, decay and
    rate are looked at too. Model, optimizer, gradients and random numbers are left as they were.

    Raises: `ParameterError`, one line, for a model that is not causal, has no vocabulary head or
    logits that are not finite, a tokenizer of another size, a text that is too short, and an
    optimizer of another model.
    """
    sample, subject, words = Sample.for_model(model, text, tokenizer, positions)
    stepper = None if optimizer is None else Stepper.of(optimizer, subject)
    facts = gather(subject, sample, stepper)
    return Diagnosis(facts, findings(facts), words)
