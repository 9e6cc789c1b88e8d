"""What the facts of a model say in plain words: warnings, and notes of what was not looked at.

The thresholds were chosen on models of the same kind as those of the tests, of other seeds, before
the tests' models were trained; docs/diagnose.md has the numbers.
"""

import math
from collections.abc import Iterator

from bitnet.analysis.preflight import Finding
from bitnet.diagnosis.facts import Facts, OptimizerFacts
from bitnet.diagnosis.weights import DEAD_ROW
from bitnet.evaluation.diversity import (
    COLLAPSED_CONTEXT_INFORMATION,
    COLLAPSED_TOP1_SHARE,
    DOWN,
)

__all__ = [
    "DEAD_TOKENS",
    "GUESSING",
    "LARGE_TIED",
    "MOVED",
    "MOVED_DOWN",
    "SETTLED",
    "coupled_decay",
    "findings",
]

RATE = "rate too high"

# Nats that one update turns the predictions by. Models that learned stayed below the first, also
# while they learned fast. From the hundredth update on, those that had learned nothing of the
# context yet (down, or no better than the unigram model) stayed below the second: how frequent
# tokens are is soon learned, and more means that the updates throw the model about.
MOVED, MOVED_DOWN, SETTLED = 0.2, 0.01, 100
# Nats above ln V. An untrained model of PyTorch's own initialisation stands 0.2 above it.
GUESSING = 0.5
# Share of the text's different tokens with a dead row; a padding token or two is dead on purpose.
DEAD_TOKENS = 0.01
# Root mean square of the entries of a matrix that is embedding and head. PyTorch starts an
# embedding at 1, where one that a head shares is meant to start near 0.02.
LARGE_TIED = 0.8


def findings(facts: Facts) -> list[Finding]:
    """The warnings about a model, then the notes; each says what to do where that is known."""
    found = [*_of_the_state(facts), *_of_the_optimizer(facts), *_of_the_ends(facts)]
    if not any(finding.subject == RATE for finding in found):  # which makes every weight large
        found += _of_a_large_head(facts)
    return sorted(found, key=lambda finding: finding.level != "warning")


def _of_the_state(facts: Facts) -> Iterator[Finding]:
    m, r = facts.measures, facts.references
    ln_v = r["ln_vocabulary"]
    if facts.state == "dead":
        share = f"its entropy is {100 * m['predictive_entropy'] / ln_v:.1f} % of ln V"
        why = "it is untrained, or its weights have died"
        yield Finding("warning", "dead", f"every prediction is uniform ({share}): {why}")
    if facts.state == "collapsed":
        parts = []
        if m["context_information"] < COLLAPSED_CONTEXT_INFORMATION:
            few = f"{m['context_information']:.2f} nats of mutual information"
            parts.append(
                f"the context hardly matters ({few}, below {COLLAPSED_CONTEXT_INFORMATION})"
            )
        if m["top1_share"] > COLLAPSED_TOP1_SHARE:
            text = f"the text's commonest has {100 * r['human_top1_share']:.0f} %"
            parts.append(f"one token wins {100 * m['top1_share']:.0f} % of the positions ({text})")
        yield Finding("warning", "collapsed", "; ".join(parts))
    loss = m["val_loss"]
    if loss > ln_v + GUESSING:
        worse = f"the loss of {loss:.2f} nats is far above {ln_v:.2f}, that of a uniform prediction"
        why = "it is sure of what is wrong, as after updates that were too large, or the text is "
        yield Finding("warning", "worse than guessing", f"{worse}: {why}of another tokenizer")
    elif loss >= r["bigram_loss"]:
        pairs = f"{r['bigram_loss']:.2f}, which a table of pairs of tokens has"
        yield Finding("note", "loss", f"{loss:.2f} nats is not below {pairs}")


def _of_the_optimizer(facts: Facts) -> Iterator[Finding]:
    optimizer = facts.optimizer
    if optimizer is None:
        yield Finding("note", "optimizer", "none was given: decay and rate were not looked at")
        return
    if optimizer.kind == "coupled":
        o, where = optimizer, _outweighed(facts)
        said = coupled_decay(o.name, o.coefficient, o.rate, where)
        yield Finding("warning", "coupled decay", said)
    if optimizer.kind == "unknown":
        name = f"how {optimizer.name} applies its decay could not be found out"
        yield Finding("note", "decay", name)
    if math.isnan(optimizer.moved):
        none = f"{optimizer.name} has no moments yet, or of an unknown kind"
        yield Finding("note", "rate", f"{none}: its rate was not looked at")
    elif _thrown(facts, optimizer):
        moved = f"one update turns the predictions by {optimizer.moved:.2f} nats"
        remedy = "take a tenth of the rate, or clip the gradient"
        message = f"at {optimizer.rate:g}, {moved}, and does not let it learn: {remedy}"
        yield Finding("warning", RATE, message)
    left = [group.name for group in facts.groups if not group.held]
    if left:
        where = f"weights of {', '.join(left)} are not in the optimizer"
        yield Finding("warning", "not trained", f"{where}, and stay as they are")


def _thrown(facts: Facts, optimizer: OptimizerFacts) -> bool:
    """Whether updates are so large that the model cannot learn, coupled decay aside."""
    settled = optimizer.kind != "coupled" and optimizer.updates >= SETTLED
    learned = facts.measures["val_loss"] < facts.references["unigram_loss"]
    stuck = settled and (facts.state in DOWN or not learned)
    return optimizer.moved > (MOVED_DOWN if stuck else MOVED)


def coupled_decay(name: str, coefficient: float, rate: float, where: str = "") -> str:
    """What an optimizer of coupled decay does to weights, and where, if that is known."""
    return (
        f"{name} with weight_decay={coefficient:g} adds the decay to the gradient and divides by "
        f"the size of both, so that where decay is the larger part a weight shrinks by the "
        f"learning rate ({rate:g}) per update, whatever the coefficient{where}; use AdamW with the "
        "same coefficient, or take decay off"
    )


def _outweighed(facts: Facts) -> str:
    """Where decay is the larger part."""
    outweighed = facts.ends.outweighed.items()
    rows = [f"the {end}'s rows of {n} of {of} tokens" for end, (n, of) in outweighed if n]
    groups = [f"all {group.name} together" for group in facts.groups if group.ratio > 1]
    return f": here in {', '.join(rows + groups)}" if rows or groups else ""


def _of_the_ends(facts: Facts) -> Iterator[Finding]:
    if not facts.has_head:
        unseen = "no module with a row for each token was found: its weights were not looked at"
        yield Finding("note", "head", unseen)
    for end in dict.fromkeys(rows.end for rows in facts.ends.rows):
        there = [r for r in facts.ends.rows if r.end == end and r.frequency != "never"]
        dead, of = sum(r.dead for r in there), sum(r.tokens for r in there)
        if of and dead >= max(1, DEAD_TOKENS * of):
            small = f"have less than {100 * DEAD_ROW:.0f} % of the norm of the larger rows"
            what = "look alike to it" if end == "embedding" else "get the same logit anywhere"
            message = f"the {end}'s rows of {dead} of {of} tokens of the text {small}: these {what}"
            yield Finding("warning", "dead rows", message)
    if facts.has_head and facts.declared_tied is False and facts.tied:
        wrong = "embedding and head are one matrix, though tie_word_embeddings is False"
        yield Finding("warning", "head tied", f"{wrong}: give the head weights of its own")
    elif facts.has_head and facts.declared_tied is True and not facts.tied:
        wrong = "embedding and head are two matrices, though tie_word_embeddings is True"
        lost = "one of them is lost when the model is saved and loaded"
        yield Finding("warning", "head not tied", f"{wrong}: {lost}; call tie_weights()")


def _of_a_large_head(facts: Facts) -> Iterator[Finding]:
    if facts.tied and facts.declared_tied is not False and facts.embedding_size > LARGE_TIED:
        large = f"embedding and head are one matrix with entries of {facts.embedding_size:.2f}"
        why = "an embedding's start, at which a head's logits are far too large"
        remedy = "give the head weights of its own, or start both at 0.02"
        yield Finding("warning", "head tied", f"{large} (root mean square): {why}; {remedy}")
