"""Every number in the words of results/CURE.md, and what README and docs say of it, recomputed."""

import re

import pytest

from bitnet.analysis.collection import table_of
from bitnet.analysis.cure import TABLE, cure, goals, passages_of, runs_table
from bitnet.committed import CHECKOUT

PAGE = CHECKOUT / "results" / "CURE.md"
OTHERS = (
    "embedding_std=0.0", "peak_lr=0.0015", "decayed=all", "decay=0.0", "schedule=two-stage"
)  # fmt: skip


@pytest.fixture(scope="module")
def table():
    return runs_table(table_of(TABLE), passages_of())


def words():
    said = PAGE.read_text().partition("## What it says")[2].partition("## What was computed")[0]
    return " ".join(said.split())


def own(table, arm, text="wikipedia-sample", hidden=128):
    """The runs of an arm, pair by pair."""
    chosen = table[(table.arm == arm) & (table.text == text) & (table.hidden == hidden)]
    return list(chosen.sort_values("pair").itertuples())


def span(values, text="{:.2f}"):
    low, high = text.format(min(values)), text.format(max(values))
    return low if low == high else f"{low} to {high}"


def percent(values):
    return f"{span([100 * value for value in values], '{:.0f}')} %"


def of_the_text(rows):
    """The share of 4-grams that repeat in what people wrote, where these runs were measured."""
    found = passages_of().query("text == 'the text' and measure == 'seq_rep_4'")
    return sorted(set(found.value[found.run.isin([row.run for row in rows])]))


def against(table, change):
    """What the change costs in nats, against the run with nothing changed."""
    (one,) = own(table, f"recommended+{change}")
    (base,) = [row for row in own(table, "recommended") if row.pair == one.pair]
    return one, one.loss - base.loss


def test_the_generated_part_is_that_of_the_table():
    assert cure(table_of(TABLE), passages_of()) in PAGE.read_text()


def test_the_words_say_what_the_runs_say(table):
    best = own(table, "recommended")
    twins = {row.pair: row.loss for row in own(table, "fp-recommended")}
    gaps = [row.loss - twins[row.pair] for row in best if row.pair in twins]
    (adamw,), (fix,) = own(table, "adamw-0.0"), own(table, "l2-0.0")
    without, saved = against(table, "unlikelihood=0.0")
    windows, ordered = against(table, "windows=consecutive")
    coupled, _ = against(table, "optimizer=adam")
    others = {c: against(table, c)[1] for c in OTHERS}
    best2, twin2, adamw2, fix2 = (
        own(table, arm, "sotu")[0]
        for arm in ("recommended", "fp-recommended", "adamw-0.0", "l2-0.0")
    )
    shares = of_the_text(best)
    texts = [
        f"`l2-0.0` ends {fix.ends} with {fix.loss:.2f} nats and `adamw-0.0` with "
        f"{adamw.loss:.2f}; `recommended` has {span([r.loss for r in best])} in {len(best)} pairs",
        f"a table of word pairs has {best[0].bigram:.2f}, one of word triples "
        f"{best[0].trigram:.2f}",
        f"{percent([r.repeated for r in best])} of its greedy 4-grams repeat (the text: "
        f"{percent(shares)}; `adamw-0.0`: {percent([adamw.repeated])})",
        f"{percent([r.loops for r in best])} of its greedy passages end in a loop (`adamw-0.0`: "
        f"{percent([adamw.loops])})",
        f"is at most {max(gaps):.2f} nats above its twin in full precision",
        f"`l2-0.0` ends {fix2.ends} with {fix2.loss:.2f} nats, `adamw-0.0` has {adamw2.loss:.2f}, "
        f"a table of word pairs {best2.bigram:.2f}, `recommended` {best2.loss:.2f} "
        f"({best2.loss - twin2.loss:.2f} above its twin), one of word triples {best2.trigram:.2f}",
        f"{percent([best2.repeated])} of its greedy 4-grams repeat there (the text: "
        f"{percent(of_the_text([best2]))}; `adamw-0.0`: {percent([adamw2.repeated])}), and "
        f"{percent([best2.loops])} of its greedy passages end in a loop (`adamw-0.0`: "
        f"{percent([adamw2.loops])})",
        f"in the order of the text it has {windows.loss:.2f} nats, {ordered:.2f} more",
        f"Without it {percent([without.repeated])} of 4-grams repeat and "
        f"{percent([without.loops])} of passages end in a loop, and the loss is {-saved:.2f} "
        f"lower; with it, in the same pair, {percent([best[0].repeated])} and "
        f"{percent([best[0].loops])}",
        f"with coupled decay in place of decoupled the run is {coupled.ends} at the end, with "
        f"{coupled.loss:.2f} nats",
        *(f"`{change}` costs {cost:.2f}" for change, cost in others.items() if cost > 0),
        *(f"`{change}` gains {-cost:.2f}" for change, cost in others.items() if cost <= 0),
    ]
    page = words()
    for text in texts:
        assert text in page
        page = page.replace(text, " ")
    left = set(re.findall(r"\d+\.\d+|\d+ %", re.sub(r"`[^`]*`", " ", page)))
    assert left <= {"0.05", "0.1", "2.05"}, left  # limits that were registered; million tokens
    assert best[0].tokens == 2_048_000


def test_what_is_said_of_the_goals_and_expectations(table):
    found = goals(table).set_index("goal").reached
    number = int((table.arm == "recommended").sum())
    assert list(found) == [f"{number} of {number}"] * 2 + [f"0 of {number}"] + [
        f"{number} of {number}"
    ] * 3 + [found["G7"]]
    assert found["G7"].split(" of ")[0] == found["G7"].split(" of ")[1]
    _, ordered = against(table, "windows=consecutive")
    assert ordered > 0.1 and ordered > max(against(table, c)[1] for c in OTHERS)
    assert against(table, "embedding_std=0.0")[1] > 0.1  # E7 is refuted
    losses = [row.loss for row in own(table, "recommended")]
    for change in OTHERS[2:]:
        assert abs(against(table, change)[1]) < 1.1 * (max(losses) - min(losses))
    without, saved = against(table, "unlikelihood=0.0")
    assert without.repeated > 0.3 and -saved <= 0.05
