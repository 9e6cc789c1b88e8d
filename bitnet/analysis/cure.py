"""The cure's evidence: the recommended recipe against its goals, and what each change is worth."""

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from bitnet import files
from bitnet.analysis.collection import runs_of, table_of
from bitnet.analysis.markdown import listed, tabulated, wrapped
from bitnet.analysis.phenomena import DECOUPLED
from bitnet.arms import FIX, RECOMMENDED
from bitnet.checks import first_line
from bitnet.committed import committed
from bitnet.config import RunConfig
from bitnet.evaluation.diversity import DOWN
from bitnet.evaluation.measures import MEASURES
from bitnet.evaluation.passages import GREEDY, HUMAN, NUCLEUS
from bitnet.runs.grid import Grid
from bitnet.runs.history import History, HistoryError
from bitnet.runs.schema import check_passages
from bitnet.schedule import warmup_steps

__all__ = [
    "PLAN", "TABLE", "add_passages", "cure", "goals", "in_words", "kept_whole", "ladder_runs",
    "passages_of", "planned", "runs_table",
]  # fmt: skip

PLAN = committed("params/cure.yaml")
TABLE = committed("results/cure")
TWIN = f"fp-{RECOMMENDED}"
# Registered in results/PLAN-CURE.md before the runs that they judge.
REPEATED, LOOPS, DISTINCT, NATS = 0.2, 0.1, 0.1, 0.1

_PASSAGES = "passages.csv"  # beside the table of runs
_COLUMNS = ["run", "text", "measure", "value", "low", "high"]


def planned() -> tuple[RunConfig, ...]:
    """The runs of the plan, in its order."""
    return runs_of([PLAN])


def kept_whole() -> Grid:
    """The run whose folder is committed beside the table, with its text and its weights.

    The first of the plan: the recommended recipe.
    """
    return Grid(planned()[:1])


def ladder_runs() -> list[History]:
    """The committed runs that part in the recipe alone: the fix, AdamW, the recommended one.

    None of them where there is no checkout.
    """
    there = {history.config: history for history in table_of(TABLE)}
    rungs = [replace(run, arm=arm) for run in planned()[:1] for arm in (FIX, DECOUPLED, run.arm)]
    return [there[rung] for rung in rungs if rung in there]


def in_words(histories: Sequence[History], passages: pd.DataFrame | None = None) -> str:
    """Loss and repetition of runs that part in the recipe alone, best first, beside the text.

    In two sentences; nothing where there is no run.
    """
    if not histories:
        return ""
    passages = passages_of() if passages is None else passages
    rows = sorted(runs_table(histories, passages).itertuples(), key=lambda row: row.loss)
    best, loss = rows[0], MEASURES["val_loss"].text
    arms = [f"{row.arm} {loss(row.loss)} nats, {row.repeated:.0%}" for row in rows]
    text = passages.query("text == @HUMAN and measure == 'seq_rep_4'").value.iloc[0]
    return (
        f"Held-out loss and repeated greedy 4-grams at hidden {best.hidden} after "
        f"{best.tokens / 1e6:.2f} million tokens: {'; '.join(arms)}. A table of word pairs has "
        f"{loss(best.bigram)} nats, one of word triples {loss(best.trigram)}; the text repeats "
        f"{text:.0%}."
    )


def passages_of(folder: str | Path = TABLE) -> pd.DataFrame:
    """What was measured of the runs' passages; `run` is the identity of a run.

    Raises: `HistoryError` where it is not that.
    """
    path = Path(folder) / _PASSAGES
    if not path.exists():
        return pd.DataFrame(columns=_COLUMNS)
    try:
        table = pd.read_csv(io.BytesIO(files.read_bytes(path)), dtype={"run": str})[_COLUMNS]
        check_passages(table.to_dict("records"), name_prefix=_PASSAGES)
        if table.isna().any(axis=None) or table.duplicated(_COLUMNS[:3]).any():
            raise ValueError("a value is missing, or there twice")
    except (OSError, ValueError, KeyError, OverflowError) as error:
        raise HistoryError(f"{path}: no table of passages ({first_line(error)})") from error
    return table


def add_passages(run: str, table: pd.DataFrame, folder: str | Path = TABLE) -> None:
    """Keep the table of `Passages` of one more run, by its identity."""
    known = passages_of(folder)
    found = table.assign(run=run)[list(known.columns)]
    whole = pd.concat([known, found]) if len(known) else found
    whole.to_csv(Path(folder) / _PASSAGES, index=False, float_format="%.6g")


def runs_table(histories: Sequence[History], passages: pd.DataFrame) -> pd.DataFrame:
    """One row a run, with all that the goals are about; shares and losses as they are.

    `down` lists the evaluations after warm-up at which it was dead or collapsed. `distinct` is the
    share of distinct 2-grams of sampled text over that of the text itself.
    """
    shares = passages.set_index(["run", "text", "measure"]).value
    rows = []
    for history in histories:
        config, run = history.config, history.manifest["identity"]
        states, warm = list(history.states), warmup_steps(config.steps)
        steps = [int(step) for step in history.measures.step]
        down = [t for t, s in zip(steps, states, strict=True) if t > warm and s in DOWN]

        def share(text: str, measure: str, run: object = run) -> float:
            return float(shares.get((run, text, measure), float("nan")))

        rows.append({
            "run": run, "arm": config.arm, "hidden": config.hidden, "updates": config.steps,
            "text": config.corpus, "pair": f"{config.seed}, {config.order}",
            "tokens": config.steps * config.batch_size * config.sequence_length,
            "ends": states[-1], "down": down, "evaluations": sum(t > warm for t in steps),
            "loss": float(history.measures.val_loss.iloc[-1]),
            "bigram": history.references["bigram_loss"],
            "trigram": history.references["trigram_loss"],
            "unique": int(history.measures.unique_tokens.iloc[-1]),
            "repeated": share(GREEDY, "seq_rep_4"), "loops": share(GREEDY, "loops"),
            "sampled": share(NUCLEUS, "seq_rep_4"),
            "distinct": share(NUCLEUS, "distinct_2") / share(HUMAN, "distinct_2"),
            "config": config,
        })  # fmt: skip
    return pd.DataFrame(rows)


def goals(table: pd.DataFrame) -> pd.DataFrame:
    """Each registered goal, over every run of the recommended recipe that is there."""
    own = table[table.arm == RECOMMENDED]
    twins = {row.config: row.loss for row in table[table.arm == TWIN].itertuples()}
    pairs = [
        (row, row.loss - twins[twin])
        for row in own.itertuples()
        if (twin := replace(row.config, arm=TWIN)) in twins
    ]
    rows = [
        _goal("G1", "never dead or collapsed after warm-up", own, lambda r: not r.down),
        _goal("G2", "loss below the bigram's", own, lambda r: r.loss < r.bigram),
        _goal("G3", "loss below the trigram's", own, lambda r: r.loss < r.trigram),
        _goal("G4", "greedy: at most 0.20 of 4-grams repeated", own,
              lambda r: r.repeated <= REPEATED),
        _goal("G5", "greedy: at most 10 % of passages end in a loop", own,
              lambda r: r.loops <= LOOPS),
        _goal("G6", "nucleus: distinct 2-grams within 10 % of the text's", own,
              lambda r: abs(r.distinct - 1) <= DISTINCT),
        {"goal": "G7", "what": "loss within 0.1 nats of its full-precision twin",
         **_counted([(r, abs(gap) <= NATS) for r, gap in pairs])},
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _goal(name: str, what: str, own: pd.DataFrame, reached: Callable) -> dict[str, object]:
    found = [(row, bool(reached(row))) for row in own.itertuples()]
    return {"goal": name, "what": what, **_counted(found)}


def _counted(found: Sequence[tuple]) -> dict[str, object]:
    missed = [
        f"{r.text}, hidden {r.hidden}, pair ({r.pair})" for r, reached in found if not reached
    ]
    reached = f"{len(found) - len(missed)} of {len(found)}" if found else "not known"
    return {"reached": reached, "not in": "; ".join(missed)}


def cure(histories: Sequence[History], passages: pd.DataFrame) -> str:
    """What results/CURE.md quotes: goals, ladder, single changes, every run, what is missing."""
    table = runs_table(histories, passages)
    missing = [run for run in planned() if run not in {h.config for h in histories}]
    parts = [
        "### The goals", tabulated(goals(table)),
        "### The ladder", tabulated(_ladder(table)),
        "### One change taken away", wrapped(
            "Against `recommended` of the same pair, text and sizes. Positive is worse."
        ), tabulated(_without(table)),
        "### Every run", tabulated(_shown(table)),
        "### Missing", listed([f"- {run.label()}" for run in missing])
        or "Nothing: every run of the plan is there.",
    ]  # fmt: skip
    return "\n\n".join(parts)


def _ladder(table: pd.DataFrame) -> pd.DataFrame:
    """The losses of pair (0, 0) from the brief's recipe to the tables, worst first, by text."""
    rows = []
    same = table[(table.pair == "0, 0") & table.arm.isin((FIX, DECOUPLED, RECOMMENDED))]
    for (text, hidden, updates), runs in same.groupby(["text", "hidden", "updates"], sort=False):
        steps = {f"`{row.arm}`": row.loss for row in runs.itertuples()}
        steps |= {name: runs[name].iloc[0] for name in ("bigram", "trigram")}
        order = sorted(steps.items(), key=lambda pair: -pair[1])
        ladder = " > ".join(f"{name} {MEASURES['val_loss'].text(loss)}" for name, loss in order)
        rows.append({"text": text, "hidden": hidden, "updates": updates, "loss, nats": ladder})
    return pd.DataFrame(rows)


def _without(table: pd.DataFrame) -> pd.DataFrame:
    rows = []
    base = {row.config: row for row in table[table.arm == RECOMMENDED].itertuples()}
    for row in table.itertuples():
        change = row.arm.partition("+")[2]
        own = base.get(replace(row.config, arm=RECOMMENDED))
        if row.arm.startswith(f"{RECOMMENDED}+") and own is not None:
            rows.append({
                "with instead": f"`{change}`", "ends": row.ends,
                "loss": f"{row.loss - own.loss:+.2f}",
                "greedy repeats": _two(row.repeated - own.repeated, "+"),
                "distinct tokens": f"{row.unique - own.unique:+d}",
            })  # fmt: skip
    return pd.DataFrame(rows, columns=["with instead", "ends", "loss", "greedy repeats",
                                       "distinct tokens"])  # fmt: skip


def _shown(table: pd.DataFrame) -> pd.DataFrame:
    """The runs as a page shows them."""
    loss = MEASURES["val_loss"].text
    return pd.DataFrame([
        {
            "arm": row.arm, "text": row.text, "hidden": str(row.hidden),
            "updates": str(row.updates), "pair": row.pair,
            "million tokens": f"{row.tokens / 1e6:.2f}", "ends": row.ends,
            "down after warm-up": f"{len(row.down)} of {row.evaluations} evaluations",
            "loss": loss(row.loss), "bigram, trigram": f"{loss(row.bigram)}, {loss(row.trigram)}",
            "distinct tokens": str(row.unique), "greedy repeats": _two(row.repeated),
            "loops": _two(row.loops), "nucleus repeats": _two(row.sampled),
            "nucleus distinct over the text's": _two(row.distinct),
        }
        for row in table.itertuples()
    ])  # fmt: skip


def _two(value: float, sign: str = "") -> str:
    """A share with two decimals; of a run whose passages were not measured, nothing."""
    return "" if value != value else f"{value:{sign}.2f}"
