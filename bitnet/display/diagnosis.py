"""A diagnosis as one HTML page, which opens offline, and as lines and tables in a terminal."""

import math
import os
from pathlib import Path

from rich.table import Table

from bitnet import checks
from bitnet.checks import ParameterError, first_line
from bitnet.diagnosis.diagnose import Diagnosis
from bitnet.diagnosis.facts import Facts
from bitnet.display.moments import BARS, FACTS, PASSAGES, moment
from bitnet.display.numbers import decimal, measured, percent, whole
from bitnet.display.pages import render
from bitnet.display.theme import CASE_COLOURS
from bitnet.evaluation.measures import MEASURES, MISSING
from bitnet.terminal import Terminal

__all__ = ["diagnosis_page", "new_page", "print_diagnosis", "write_page"]

# How decay shrinks a weight, in words.
KINDS = {
    "none": "none",
    "coupled": "by the rate, where it is the larger part",
    "proportional": "in proportion to the weight",
    "unknown": "not known",
}


def print_diagnosis(diagnosis: Diagnosis, name: str, console: Terminal | None = None) -> None:
    """Print what a diagnosis says of the model of that name, and the tables behind it."""
    console, facts = console or Terminal(), diagnosis.facts
    console.print(f"{name}: {diagnosis.state}", style="bold", soft_wrap=True)
    console.print(f"{_about(facts)}.", soft_wrap=True)
    for finding in diagnosis.findings:
        style = "yellow" if finding.level == "warning" else ""
        console.print(f"{finding.level}: {finding.subject}: {finding.message}.", style=style)
    if not diagnosis.warnings:
        console.print("No warnings.")
    for table in _tables(facts).values():
        console.print()
        console.print(_rich(table))


def diagnosis_page(diagnosis: Diagnosis, name: str) -> str:
    """The page as HTML, for the model of that name."""
    facts, words = diagnosis.facts, diagnosis.words
    said = moment(
        0, diagnosis.state, facts.measures, facts.references, facts.snapshot, words
    )  # fmt: skip
    note = f"at {whole(facts.positions)} positions of the text"
    openings = [words.decode(row).replace("\n", "⏎ ") for row in _passages(facts)]
    return render(
        "diagnosis.html.j2",
        name=name,
        state=diagnosis.state,
        about=_about(facts),
        warnings=diagnosis.warnings,
        notes=[finding for finding in diagnosis.findings if finding.level != "warning"],
        card={
            "runs": [None], "places": 1, "bars": BARS, "openings": openings,
            "facts": [MEASURES[fact].column for fact in FACTS],
        },
        run={"label": facts.model, "note": note, "hue": CASE_COLOURS[-1]},
        moment=said,
        tables=_tables(facts),
    )  # fmt: skip


def new_page(value: str) -> Path:
    """A path for a page, where nothing stands yet; for "" the first free of some names here.

    Raises: `ParameterError`.
    """
    if not value:
        names = (Path(f"diagnosis{f'-{i}' * (i > 1)}.html") for i in range(1, 10**6))
        return next(path for path in names if not os.path.lexists(path))
    path = checks.path("out", value)
    if os.path.lexists(path):
        raise ParameterError("out", value, "is taken, and must be a new file")
    if not path.parent.is_dir():
        raise ParameterError("out", value, "must be in a folder that is there")
    return path


def write_page(diagnosis: Diagnosis, name: str, path: Path) -> None:
    """Write the page under a path where nothing stands, whole or not at all.

    Raises: `ParameterError` where it cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with partial.open("x", encoding="utf-8") as file:
            file.write(diagnosis_page(diagnosis, name))
        if os.path.lexists(path):
            raise FileExistsError(f"{path.name} is taken")
        partial.replace(path)
    except OSError as error:
        problem = f"cannot be written ({first_line(error)}); choose another file"
        raise ParameterError("out", str(path), problem) from error
    finally:
        partial.unlink(missing_ok=True)


def _about(facts: Facts) -> str:
    end = "embedding and head are one" if facts.tied else "embedding and head are two"
    return (
        f"{facts.model}, {whole(facts.parameters)} parameters, {whole(facts.vocab_size)} tokens, "
        f"{end}; a text of {whole(facts.tokens)} tokens, {whole(facts.positions)} positions of it"
    )


def _passages(facts: Facts) -> list[list[int]]:
    """The openings of the continuations that are shown."""
    return [facts.openings[i] for i in PASSAGES if i < len(facts.openings)]


def _tables(facts: Facts) -> dict[str, list[list[str]]]:
    """Every table by its title: heads, then rows, all as texts."""
    tables = {
        "What it predicts and writes": _measures(facts),
        "Decay against gradient": _groups(facts),
        "Rows by how often their token stands in the text": _rows(facts),
        "Effective rank": [["of", "rank", "of at most"]]
        + [[name, decimal(rank, 1), whole(most)] for name, (rank, most) in facts.ranks.items()],
    }
    if facts.optimizer is not None:
        o = facts.optimizer
        head = [
            "optimizer",
            "decay shrinks a weight",
            "coefficient",
            "rate",
            "one update turns predictions by",
        ]
        turned = f"{o.moved:.4f} nats" if math.isfinite(o.moved) else MISSING
        tables["Optimizer"] = [
            head,
            [o.name, KINDS[o.kind], f"{o.coefficient:g}", f"{o.rate:g}", turned],
        ]
    return {title: table for title, table in tables.items() if len(table) > 1}


def _measures(facts: Facts) -> list[list[str]]:
    rows = [["measure", "value", "to read it against"]]
    for name, measure in MEASURES.items():
        beside = [
            f"{what} {measured(name, facts.references[key])}"
            for key, what in measure.levels.items()
            if key in facts.references
        ]
        rows.append([measure.label, measured(name, facts.measures[name]), ", ".join(beside)])
    return rows


def _groups(facts: Facts) -> list[list[str]]:
    head = ["group", "weights", "mean |W|", "gradient", "decay x weight", "ratio"]

    coupled = facts.optimizer is not None and facts.optimizer.kind == "coupled"

    def number(value: float) -> str:
        return f"{value:.2g}" if math.isfinite(value) else MISSING

    return [head] + [
        [g.name, whole(g.parameters), *map(number, (g.mean_abs, g.gradient, g.penalty)),
         number(g.ratio) if coupled else MISSING]
        for g in facts.groups
    ]  # fmt: skip


def _rows(facts: Facts) -> list[list[str]]:
    head = ["end", "times in the text", "tokens", "mean norm", "dead"]
    return [head] + [
        [r.end, r.frequency, whole(r.tokens), decimal(r.norm, 3),
         f"{whole(r.dead)} ({percent(r.dead / r.tokens)})" if r.dead else "0"]
        for r in facts.ends.rows
    ]  # fmt: skip


def _rich(table: list[list[str]]) -> Table:
    found = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in table[0]:
        found.add_column(head)
    for row in table[1:]:
        found.add_row(*row)
    return found
