"""Findings of the preflight: what keeps a study from answering its question, said before a step is paid for."""

from collections.abc import Sequence
from dataclasses import dataclass

from bitnet.arms import ARMS, BROKEN, FIX
from bitnet.config import RunConfig
from bitnet.diversity import BRIEF_PROMPTS
from bitnet.plan import PLAN_STEPS
from bitnet.schedule import MAX_WARMUP, stage_boundary, warmup_steps
from bitnet.verdict import WORKS_BAR

__all__ = ["Finding", "preflight"]

MIN_POSITIONS = 4096  # a probe this long can count far beyond the bar, and its text has over a thousand distinct tokens
LARGE_VOCABULARY = 1000  # beyond this most rows get no gradient in most updates of a few hundred tokens


@dataclass(frozen=True)
class Finding:
    """Something a preflight has to say before a step is paid for; `level` is "warning" or "note"."""

    level: str
    subject: str
    message: str


def preflight(runs: Sequence[RunConfig], corpus_facts: dict[str, object], vocab_size: int) -> list[Finding]:
    """What keeps these runs from answering the question, known before any of them starts."""
    config = runs[0]
    arms = {run.arm for run in runs}
    boundary, steps = stage_boundary(config.steps), config.steps
    found = []

    def say(level: str, subject: str, message: str) -> None:
        found.append(Finding(level, subject, message))

    if steps < PLAN_STEPS:
        say("warning", "length", f"{steps} of the plan's {PLAN_STEPS} steps: this run can point to an answer, not give one")
    if config.probe_positions < MIN_POSITIONS:
        say(
            "warning",
            "probe",
            f"{config.probe_positions} positions; fewer than {MIN_POSITIONS} make low counts likely by chance",
        )
    if config.probe_positions <= WORKS_BAR:
        say("warning", "probe ceiling", f"{config.probe_positions} positions cannot count above the bar of {WORKS_BAR}")
    say(
        "note", "the brief's probe",
        f"{BRIEF_PROMPTS} prompts count to {BRIEF_PROMPTS} at most, below the bar of {WORKS_BAR}: no run could ever pass it; "
        "it is shown, and not used",
    )  # fmt: skip
    epochs = steps * config.batch_size * config.sequence_length / int(str(corpus_facts["train_tokens"]))
    if epochs > 1:
        say("note", "data", f"the text is shorter than the run and will be read {epochs:.1f} times")
    if warmup_steps(steps) < MAX_WARMUP:
        say("warning", "schedule", f"warm-up takes {warmup_steps(steps)} steps instead of the brief's {MAX_WARMUP}")
    say(
        "note", "checkpoints",
        f"the stage switch of this run is after step {boundary}; the brief's steps 5k and 6k belong to a 10k run, so its "
        f"checkpoints are placed relative to the switch",
    )  # fmt: skip
    coupled = sorted(arm for arm in arms if ARMS[arm].optimizer == "adam" and ARMS[arm].stage1_decay > 0)
    if coupled and vocab_size > LARGE_VOCABULARY:
        say(
            "warning", "coupled decay",
            f"{', '.join(coupled)}: Adam turns an L2 penalty into a step of about the learning rate on every weight that gets "
            f"no gradient, whatever the coefficient; with {vocab_size} tokens that is most of embedding and head",
        )  # fmt: skip
    if FIX not in arms:
        say("warning", "arms", f"without {FIX}, the fix, there is nothing to judge")
    if BROKEN not in arms:
        say("warning", "control", f"without {BROKEN}, the broken setting, nothing shows that there was something to cure")
    if all(ARMS[arm].optimizer == "adam" for arm in arms):
        say("warning", "control", "no AdamW arm: the kind of decay cannot be told from its coefficient")
    if all(ARMS[arm].quantize for arm in arms):
        say("note", "control", "no full-precision arm (fp-l2-0.0): this run cannot tell whether quantization plays a part")
    if len({run.seed for run in runs}) == 1:
        say("note", "seeds", "one seed: no spread between initial weights will be seen")
    return found
