"""The second plan's evidence: its runs as one committed table, and what they say, in Markdown."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

import pandas as pd
import torch

from bitnet.analysis.boundary import Boundaries, context_free
from bitnet.analysis.collection import runs_of
from bitnet.analysis.dose import best_thresholds, block_of, boundary_cells, cells, score
from bitnet.analysis.early import Alarm, alarms, judged
from bitnet.analysis.markdown import listed, tabulated, wrapped
from bitnet.analysis.predictions import MIDDLE, predictions
from bitnet.committed import committed
from bitnet.config import RunConfig
from bitnet.data import Corpus, load_corpus
from bitnet.evaluation.measures import MEASURES
from bitnet.runs.history import History

__all__ = [
    "PLAN",
    "TABLE",
    "Forecast",
    "answers",
    "cause",
    "further_pairs",
    "planned",
]

PLAN = committed("params/plan-2.yaml")
PAIRS = committed("params/plan-2-pairs.yaml")  # of cells at a boundary, by the plan's rule
TABLE = committed("results/plan-2")


def planned() -> tuple[RunConfig, ...]:
    """The runs of the second plan, with the further pairs as far as they are listed."""
    return runs_of((PLAN, PAIRS))


class Forecast:
    """What is foretold of runs by their text and initial weights; both are computed once."""

    def predict(self, history: History) -> str:
        """The end of a run: dead, collapsed or up."""
        return self.boundaries(history.config).state(history.config.recipe)

    def boundaries(self, config: RunConfig) -> Boundaries:
        """Those of a run's vocabulary, batch and precision, by the weights of pair (0, 0)."""
        arm = "l2-0.0" if config.recipe.quantize else "fp-l2-0.0"
        return _boundaries(replace(config, arm=arm, seed=0, order=0, steps=8))

    def foretell(self, vocabulary: int, decay: float) -> float:
        """The held-out loss of a network without context, in nats."""
        return _without_context(vocabulary, decay)


@cache
def _boundaries(config: RunConfig) -> Boundaries:
    return Boundaries.of(config, _corpus(config.vocabulary))


@cache
def _without_context(vocabulary: int, decay: float) -> float:
    corpus = _corpus(vocabulary)
    counts = torch.bincount(corpus.held_out.flatten(), minlength=vocabulary).double()
    return -(counts / counts.sum() * context_free(corpus.counts, decay)).sum().item()


@cache
def _corpus(vocabulary: int) -> Corpus:
    return load_corpus(RunConfig.corpus, vocabulary, log=lambda line: None)


def further_pairs(histories: Sequence[History], forecast: Forecast) -> list[RunConfig]:
    """The runs that the plan's rule asks for: three more pairs of each cell at a boundary."""
    at = boundary_cells(cells(_of_pair_0(histories), forecast.predict))
    return [replace(cell, seed=pair, order=pair) for pair in (1, 2, 3) for cell in at]


def cause(histories: Sequence[History], forecast: Forecast) -> str:
    """What results/CAUSE.md quotes: predictions, cells, scores, early warning, what is missing."""
    table = cells(histories, forecast.predict)
    best = "; ".join(f"{c:g} and {d:g}" for c, d in best_thresholds(table))
    missing = [run for run in planned() if run not in {h.config for h in histories}]
    parts = [
        "### The registered predictions", tabulated(answers(histories, forecast)),
        "### Cells", tabulated(_shown(table)),
        "### The predictor's score",
        wrapped("A cell of two blocks, by its own vocabulary and batch, counts in the first."),
        tabulated(score(table)),
        wrapped(
            f"The best thresholds on coupled decay (collapsed from, dead from), with the outcomes "
            f"of the dose block in hand: {best}."
        ),
        "### Early warning, on the runs that no threshold was chosen on",
        tabulated(early_warning(histories)),
        "### Missing", listed(_counted(missing)) or "Nothing: every run of the plan is there.",
    ]  # fmt: skip
    return "\n\n".join(parts)


def answers(histories: Sequence[History], forecast: Forecast) -> pd.DataFrame:
    """The registered predictions, by the runs of pair (0, 0): prediction, answer, evidence."""
    first = _of_pair_0(histories)
    wanted = {run for run in planned() if run.seed == run.order == 0}
    whole = wanted <= {history.config for history in first}
    table = cells(first, forecast.predict)
    return predictions(table, forecast.foretell, warnings(first), whole)


def _counted(missing: Sequence[RunConfig]) -> list[str]:
    """How many runs of each block are not there."""
    blocks = Counter(f"{block_of(run)}{', further pairs' if run.seed else ''}" for run in missing)
    return [f"- {block}: {count} of the plan's runs." for block, count in blocks.items()]


def warnings(histories: Sequence[History]) -> pd.DataFrame:
    """Precision and recall of alarms, chosen on dose cells at the middle rate, on all others.

    Of pair (0, 0).
    """
    chosen, others = _alarms(histories)
    return judged(chosen, others) if chosen and others else judged([], [])


def early_warning(histories: Sequence[History]) -> pd.DataFrame:
    """As `warnings`, and apart the same on the further pairs, where there are any."""
    table, (chosen, _) = warnings(histories), _alarms(histories)
    pairs = [h for h in histories if h.complete and (h.config.seed or h.config.order)]
    if pairs and chosen:
        apart = judged(chosen, pairs)[["precision", "recall"]]
        table = table.join(apart.add_suffix(", further pairs"))
    return table


def _alarms(histories: Sequence[History]) -> tuple[list[Alarm], list[History]]:
    """The alarms, and the runs of pair (0, 0) that they were not chosen on."""
    done = [history for history in _of_pair_0(histories) if history.complete]
    chosen_on = [history for history in done if _chooses(history)]
    others = [history for history in done if not _chooses(history)]
    return (alarms(chosen_on) if chosen_on else []), others


def _chooses(history: History) -> bool:
    recipe = history.config.recipe
    return block_of(history.config) == "dose" and recipe.quantize and recipe.peak_lr == MIDDLE


def _of_pair_0(histories: Sequence[History]) -> list[History]:
    return [h for h in histories if h.config.seed == h.config.order == 0]


def _shown(table: pd.DataFrame) -> pd.DataFrame:
    """The cells as a page shows them."""
    rows: list[Mapping[str, object]] = [
        {
            "decay": f"{row.kind} {row.decay:g}",
            "on": row.decayed,
            "peak rate": f"{row.rate:g}",
            "weights": "ternary" if row.quantized else "full precision",
            "vocabulary": str(row.vocabulary),
            "batch": str(row.batch),
            "ends": ", ".join(dict.fromkeys(row.states)),
            "pairs": str(row.pairs),
            "loss": MEASURES["val_loss"].text(row.loss),
            "predicted": row.predicted,
        }
        for row in table.itertuples()
    ]
    return pd.DataFrame(rows)
