"""The preflight: what keeps a study from answering its question, before a step is paid for."""

from collections.abc import Sequence
from dataclasses import dataclass

from bitnet.analysis.assessment import NO_PLAN, WORKS_BAR
from bitnet.arms import BROKEN, FIX
from bitnet.config import RunConfig
from bitnet.data import Corpus
from bitnet.evaluation.diversity import PROMPTS
from bitnet.scales import scale_of
from bitnet.schedule import MAX_WARMUP, stage_boundary, warmup_steps

__all__ = ["Finding", "preflight"]

MIN_POSITIONS = 4096  # counts far beyond the bar; its text has over a thousand distinct tokens
LARGE_VOCABULARY = 1000  # beyond it most rows get no gradient in most updates of some 100 tokens


@dataclass(frozen=True)
class Finding:
    """Something to know before a step is paid for; `level` is "warning" or "note"."""

    level: str
    subject: str
    message: str


def preflight(runs: Sequence[RunConfig], corpus: Corpus) -> list[Finding]:
    """What keeps these runs from answering the question, known before any of them starts."""
    return [
        *_of_the_probe(runs[0]),
        *_of_the_schedule(runs[0], corpus),
        *_of_the_arms(runs, corpus.vocab_size),
    ]


def _of_the_probe(config: RunConfig) -> list[Finding]:
    found, positions = [], config.probe_positions
    if positions < MIN_POSITIONS:
        few = f"{positions} positions; fewer than {MIN_POSITIONS} make low counts likely by chance"
        found.append(Finding("warning", "probe", few))
    if positions <= WORKS_BAR:
        low = f"{positions} positions cannot count above the bar of {WORKS_BAR}"
        found.append(Finding("warning", "probe ceiling", low))
    never = (
        f"{PROMPTS} prompts count to {PROMPTS} at most, below the bar of {WORKS_BAR}: no run could "
        "ever pass it; it is shown, and not used"
    )
    return [*found, Finding("note", "20-prompt probe", never)]


def _of_the_schedule(config: RunConfig, corpus: Corpus) -> list[Finding]:
    found, steps = [], config.steps
    scale = scale_of(config)
    only = "this run can point to an answer only"
    if scale is None:
        found.append(Finding("warning", "scale", f"{NO_PLAN}: {only}"))
    elif steps < scale.steps:
        short = f"{steps} of the plan's {scale.steps} steps: {only}"
        found.append(Finding("warning", "length", short))
    epochs = steps * config.batch_size * config.sequence_length / len(corpus.train)
    if epochs > 1:
        again = f"the text is shorter than the run and will be read {epochs:.1f} times"
        found.append(Finding("note", "data", again))
    if (warmup := warmup_steps(steps)) < MAX_WARMUP:
        squeezed = f"warm-up takes {warmup} steps instead of the brief's {MAX_WARMUP}"
        found.append(Finding("warning", "schedule", squeezed))
    placed = (
        f"the stage switch of this run is after step {stage_boundary(steps)}; the brief's steps 5k "
        "and 6k belong to a 10k run, so its milestones are placed relative to the switch"
    )
    return [*found, Finding("note", "milestones", placed)]


def _of_the_arms(runs: Sequence[RunConfig], vocab_size: int) -> list[Finding]:
    found = []
    recipes = {run.arm: run.recipe for run in runs}
    coupled = sorted(
        arm
        for arm, r in recipes.items()
        if r.optimizer == "adam" and max(r.stage1_decay, r.stage2_decay) > 0
    )
    if coupled and vocab_size > LARGE_VOCABULARY:
        decay = (
            f"{', '.join(coupled)}: Adam turns an L2 penalty into a step of about the learning "
            "rate on every weight whose gradient is smaller, whatever the coefficient; with "
            f"{vocab_size} tokens most rows of the embedding get none in most updates"
        )
        found.append(Finding("warning", "coupled decay", decay))
    if FIX not in recipes:
        lacks = f"without {FIX}, the fix, there is nothing to judge"
        found.append(Finding("warning", "arms", lacks))
    if BROKEN not in recipes:
        lacks = f"without {BROKEN}, the broken setting, nothing shows what there was to cure"
        found.append(Finding("warning", "control", lacks))
    if all(recipe.optimizer == "adam" for recipe in recipes.values()):
        lacks = "no AdamW arm: the kind of decay cannot be told from its coefficient"
        found.append(Finding("warning", "control", lacks))
    if all(recipe.quantize for recipe in recipes.values()):
        lacks = "no full-precision arm (fp-l2-0.0): the part of quantization cannot be told"
        found.append(Finding("note", "control", lacks))
    if len({run.seed for run in runs}) == 1:
        lacks = "one seed: no spread between initial weights will be seen"
        found.append(Finding("note", "seeds", lacks))
    return found
