"""What runs said at each evaluation, as plain data: all that the pieces of a page show of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from bitnet.arms import recipe
from bitnet.display.numbers import measured, percent, whole
from bitnet.display.tables import Decoder, segments, shown
from bitnet.display.theme import colour
from bitnet.records import Snapshot
from bitnet.runs.history import History

__all__ = ["BARS", "FACTS", "PASSAGES", "described", "moment", "moment_at", "moments", "steps_of"]

BARS = 6  # tokens of a histogram
# Every third of the eight passages that a snapshot keeps, from the second on.
PASSAGES = (1, 4, 7)
FACTS = ("unique_predictions", "val_loss", "context_information", "seq_rep_4")  # measures


def moments(histories: Sequence[History]) -> list[dict[str, Any]]:
    """One dictionary a run, evaluated at least once: its label and colour, and its `moments`.

    A moment is an evaluation: step, state, the count of distinct tokens with its ceiling, the
    values of `FACTS` as texts, bars as (token, percent of the positions, the same in words, percent
    of the text), what is left of the histogram in words, and the continuations as (text, repeated).
    """
    configs = [history.config for history in histories]
    return [
        {
            "label": history.config.label(configs),
            "note": described(history.config.arm),
            "hue": colour(history.config.arm),
            "moments": [
                _moment(history, row, state, snapshot)
                for row, state, snapshot in zip(
                    history.rows(), history.states, history.snapshots, strict=True
                )
            ],
        }
        for history in histories
    ]


def moment_at(run: dict[str, Any], step: int) -> dict[str, Any]:
    """The newest of a run's `moments` that is not after `step`, or its first."""
    upto = [moment for moment in run["moments"] if moment["step"] <= step]
    return upto[-1] if upto else run["moments"][0]


def steps_of(histories: Sequence[History]) -> list[dict[str, Any]]:
    """The steps at which any of the runs was evaluated, with where that is in words."""
    found: dict[int, str] = {}
    for history in sorted(histories, key=lambda h: -h.config.steps):
        last, switch = history.config.steps, history.config.switch
        for step in map(int, history.measures.step):
            stage = f", Stage {1 + (step > switch)}" if switch else ""
            stage = ", the last of Stage 1" if step == switch else stage
            found.setdefault(step, f"update {whole(step)} of {whole(last)}{stage}")
    return [{"step": step, "when": found[step]} for step in sorted(found)]


def described(arm: str) -> str:
    """An arm in a few words: optimizer, kind of decay, its coefficients."""
    found = recipe(arm)
    kind = {"adam": "Adam + L2", "adamw": "AdamW"}[found.optimizer]
    first, second = found.stage1_decay, found.stage2_decay
    decay = f"decay {first:g}" if first == second else f"decay {first:g}, then {second:g}"
    if first == second == 0:
        kind, decay = "Adam", "no decay"
    return ", ".join((kind, decay) if found.quantize else (kind, decay, "full precision"))


def moment(
    step: int,
    state: str,
    measures: Mapping[str, float],
    references: Mapping[str, float],
    snapshot: Snapshot,
    words: Decoder,
) -> dict[str, Any]:
    """What a model said at one moment, as a moment of `moments`."""
    top = snapshot.top_tokens[:BARS]
    others = int(measures["unique_tokens"]) - len(top)
    facts = [measured(name, measures[name]) for name in FACTS]
    facts[0] += f" of {whole(references['unique_predictions_ceiling'])}"
    rest = max(0.0, 1 - sum(share for _, share, _ in top))
    names = (f"{whole(others)} other" + "s" * (others != 1)) if others > 0 else "no others"
    return {
        "step": step,
        "state": state,
        "count": whole(measures["unique_tokens"]),
        "of": whole(references["unique_tokens_ceiling"]),
        "facts": facts,
        "bars": [
            (shown(token, words), round(100 * share, 2), percent(share), round(100 * text, 2))
            for token, share, text in top
        ],
        "rest": f"{names}: {percent(rest)}" if others > 0 else names,
        "said": [
            segments(snapshot.continuations[i], words) for i in PASSAGES if _there(snapshot, i)
        ],
    }


def _moment(
    history: History, row: dict[str, float], state: str, snapshot: Snapshot
) -> dict[str, Any]:
    step, words = int(row["step"]), history.vocabulary
    return moment(step, state, row, history.references, snapshot, words)


def _there(snapshot: Snapshot, passage: int) -> bool:
    """A text of few words has fewer passages."""
    return passage < len(snapshot.continuations)
