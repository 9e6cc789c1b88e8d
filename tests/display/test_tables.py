"""Tables of what models say: all is escaped, spaces are seen, repeats marked where they are."""

import math
import re
from html import unescape

import pandas as pd
import pytest

from bitnet.display.tables import (
    continuations_table,
    marked,
    next_tokens_table,
    shown,
    styled,
    top_tokens_table,
)
from bitnet.records import Snapshot
from bitnet.tokenizer import decode, encode

(SCRIPT,) = encode(["<script>alert(1)</script>"])
(PLAIN,) = encode([" the quick brown fox jumps over it"])
SAID = Snapshot(
    top_tokens=[(i, 0.5 / (k + 1), 0.25) for k, i in enumerate(dict.fromkeys(SCRIPT))],
    abundances=[(1, 3)],
    next_tokens=[[(i, 0.3) for i in SCRIPT[:3]], [(i, 0.2) for i in PLAIN[:3]]],
    continuations=[SCRIPT, PLAIN],
)
TABLES = {
    "top tokens": top_tokens_table(SAID),
    "next tokens": next_tokens_table(SAID, [SCRIPT, PLAIN]),
    "continuations": continuations_table(
        [SCRIPT, PLAIN], {"<script>": [SCRIPT, PLAIN], "b": [PLAIN, SCRIPT]}
    ),
    "without prompts": continuations_table(
        None, {"<script>": [SCRIPT, PLAIN], "b": [PLAIN, SCRIPT]}
    ),
}


def cells(html):
    """The texts of a table, row by row."""
    rows = re.findall(r"<tr>(.*?)</tr>", html)
    return [
        [
            unescape(re.sub(r"<[^>]*>", "", cell))
            for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row)
        ]
        for row in rows
    ]


def repeats(html):
    return [unescape(text) for text in re.findall(r"<span[^>]*>(.*?)</span>", html)]


@pytest.mark.parametrize("html", [*TABLES.values(), marked(SCRIPT)], ids=[*TABLES, "marked"])
def test_text_is_escaped(html):
    tags = set(re.findall(r"</?(\w+)", html))
    assert tags <= {"table", "tr", "td", "th", "span"}
    assert "&lt;" in html


@pytest.mark.parametrize(
    ("html", "shape"),
    zip(TABLES.values(), [(8, 3), (3, 2), (3, 3), (3, 2)], strict=True),
    ids=TABLES,
)
def test_every_row_has_as_many_cells_as_the_head(html, shape):
    found = cells(html)
    assert {len(row) for row in found} == {shape[1]}
    assert len(found) == shape[0]
    assert html.count("<tr>") == html.count("</tr>")
    assert html.startswith("<table")
    assert html.endswith("</table>")


def test_tables_say_what_the_snapshot_holds():
    assert cells(TABLES["top tokens"])[1] == ["<", "50.0 %", "25.00 %"]
    assert cells(top_tokens_table(SAID, rows=2))[2:] == [["script", "25.0 %", "25.00 %"]]
    head, script, plain = cells(TABLES["next tokens"])
    assert head == ["prompt", "likeliest next tokens"]
    assert script == ["<script>alert(1)</script>", "< 30.0 %, script 30.0 %, > 30.0 %"]
    assert plain == [
        " the quick brown fox jumps over it",
        "␣the 20.0 %, ␣quick 20.0 %, ␣brown 20.0 %",
    ]
    assert cells(TABLES["continuations"])[0] == ["prompt", "<script>", "b"]
    assert cells(TABLES["continuations"])[1] == ["<script>alert(1)</script>"] * 2 + [
        " the quick brown fox jumps over it"
    ]


def test_spaces_and_line_breaks_are_to_be_seen():
    for text, visible in ((" the", "␣the"), ("\n", "⏎"), ("\t", "⇥"), ("the", "the")):
        ((token,),) = encode([text])
        assert shown(token) == visible


def test_repeats_are_marked_and_nothing_else():
    (loop,) = encode([" a b c d a b c d"])
    assert len(loop) == 8
    assert repeats(marked(loop)) == [" a b c d"]
    assert unescape(re.sub(r"<[^>]*>", "", marked(loop))) == " a b c d a b c d"
    assert repeats(marked(PLAIN)) == []
    (late,) = encode([" x a b c d y a b c d z"])
    assert repeats(marked(late)) == [" a b c d"]
    assert marked(late).endswith("</span> z")


def test_marked_text_is_escaped_within_its_marks():
    html = marked(SCRIPT * 2)
    assert "<script" not in html
    assert repeats(html) == ["<script>alert(1)</script>"]


@pytest.mark.parametrize(
    ("length", "text"), [(0, ""), (1, " the"), (3, " the quick brown"), (4, " the quick brown fox")]
)
def test_text_too_short_to_repeat_is_shown_plainly(length, text):
    assert marked(PLAIN[:length]) == text
    assert repeats(marked([7] * length)) == []


def test_line_breaks_in_a_continuation_do_not_break_the_table():
    (ids,) = encode([" one\ntwo"])
    assert marked(ids) == " one⏎ two"


def test_a_character_of_several_tokens_is_not_torn_at_a_mark():
    # The cheese takes several tokens, and no mark ends within it.
    (ids,) = encode([" a b c d a b c d\U0001f9c0 end"])
    for cut in range(8, len(ids) + 1):
        html = marked([*ids[:cut], *ids[:cut]])
        assert unescape(re.sub(r"<[^>]*>", "", html)) == decode([*ids[:cut], *ids[:cut]])


def test_numbers_in_a_table_are_as_people_write_them():
    frame = pd.DataFrame(
        {
            "arm": ["l2-0.0", "<b>"],
            "step": [20_000, 1000],
            "unique tokens (of 4123)": [73.0, math.nan],
            "held-out loss": [6.8, math.nan],
            "gain": [-0.0, 0.00012],
            "passed": [True, None],
        }
    )
    html = styled(frame).to_html()
    cells = [unescape(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", html)]
    assert cells == [
        "l2-0.0", "20\u00a0000", "73", "6.800", "0", "yes",
        "<b>", "1\u00a0000", "–", "–", "0.00012", "–",
    ]  # fmt: skip
    assert "<b>" not in html
    assert "nan" not in html.lower()


def test_a_table_of_measures_has_their_decimals_by_row():
    frame = pd.DataFrame({"l2-0.0": [73.0, 6.5]}, index=["unique tokens", "held-out loss"])
    assert re.findall(r"<td[^>]*>(.*?)</td>", styled(frame).to_html()) == ["73", "6.500"]
