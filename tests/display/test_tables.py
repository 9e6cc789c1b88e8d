"""Tables of what models say: all is escaped, spaces are seen, repeats marked where they are."""

import re
from html import unescape

import pytest
import torch

from bitnet.config import BitNetConfig
from bitnet.decode import continue_prompts
from bitnet.display.tables import (
    continuations_table,
    marked,
    segments,
    shown,
    written_table,
)
from bitnet.tokenizer import gpt2
from bitnet.transformer import BitNetModel

decode, encode = gpt2().decode, gpt2().encode

(SCRIPT,) = encode(["<script>alert(1)</script>"])
(PLAIN,) = encode([" the quick brown fox jumps over it"])
TABLES = {
    "continuations": continuations_table(
        [SCRIPT, PLAIN], {"<script>": [SCRIPT, PLAIN], "b": [PLAIN, SCRIPT]}, gpt2()
    ),
    "without prompts": continuations_table(
        None, {"<script>": [SCRIPT, PLAIN], "b": [PLAIN, SCRIPT]}, gpt2()
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


@pytest.mark.parametrize(
    "html", [*TABLES.values(), marked(SCRIPT, gpt2())], ids=[*TABLES, "marked"]
)
def test_text_is_escaped(html):
    tags = set(re.findall(r"</?(\w+)", html))
    assert tags <= {"table", "tr", "td", "th", "span"}
    assert "&lt;" in html


@pytest.mark.parametrize(
    ("html", "shape"),
    zip(TABLES.values(), [(3, 3), (3, 2)], strict=True),
    ids=TABLES,
)
def test_every_row_has_as_many_cells_as_the_head(html, shape):
    found = cells(html)
    assert {len(row) for row in found} == {shape[1]}
    assert len(found) == shape[0]
    assert html.count("<tr>") == html.count("</tr>")
    assert html.startswith("<table")
    assert html.endswith("</table>")


def test_the_table_says_what_it_was_given():
    assert cells(TABLES["continuations"])[0] == ["prompt", "<script>", "b"]
    assert cells(TABLES["continuations"])[1] == ["<script>alert(1)</script>"] * 2 + [
        " the quick brown fox jumps over it"
    ]


def test_spaces_and_line_breaks_are_to_be_seen():
    for text, visible in ((" the", "␣the"), ("\n", "⏎"), ("\t", "⇥"), ("the", "the")):
        ((token,),) = encode([text])
        assert shown(token, gpt2()) == visible


def test_repeats_are_marked_and_nothing_else():
    (loop,) = encode([" a b c d a b c d"])
    assert len(loop) == 8
    assert repeats(marked(loop, gpt2())) == [" a b c d"]
    assert unescape(re.sub(r"<[^>]*>", "", marked(loop, gpt2()))) == " a b c d a b c d"
    assert repeats(marked(PLAIN, gpt2())) == []
    (late,) = encode([" x a b c d y a b c d z"])
    assert repeats(marked(late, gpt2())) == [" a b c d"]
    assert marked(late, gpt2()).endswith("</span> z")


def test_the_parts_of_a_text_are_the_text_and_say_which_repeat():
    (late,) = encode([" x a b c d y a b c d z"])
    parts = segments(late, gpt2())
    assert parts == [(" x a b c d y", False), (" a b c d", True), (" z", False)]
    assert segments([], gpt2()) == []


def test_marked_text_is_escaped_within_its_marks():
    html = marked(SCRIPT * 2, gpt2())
    assert "<script" not in html
    assert repeats(html) == ["<script>alert(1)</script>"]


@pytest.mark.parametrize(
    ("length", "text"), [(0, ""), (1, " the"), (3, " the quick brown"), (4, " the quick brown fox")]
)
def test_text_too_short_to_repeat_is_shown_plainly(length, text):
    assert marked(PLAIN[:length], gpt2()) == text
    assert repeats(marked([7] * length, gpt2())) == []


def test_line_breaks_in_a_continuation_do_not_break_the_table():
    (ids,) = encode([" one\ntwo"])
    assert marked(ids, gpt2()) == " one⏎ two"


def test_a_character_of_several_tokens_is_not_torn_at_a_mark():
    # The cheese takes several tokens, and no mark ends within it.
    (ids,) = encode([" a b c d a b c d\U0001f9c0 end"])
    for cut in range(8, len(ids) + 1):
        html = marked([*ids[:cut], *ids[:cut]], gpt2())
        assert unescape(re.sub(r"<[^>]*>", "", html)) == decode([*ids[:cut], *ids[:cut]])


def test_what_models_write_is_what_is_decoded():
    torch.manual_seed(0)
    model = BitNetModel(BitNetConfig(hidden_size=16, num_heads=2, vocab_size=50257))
    given, sampling = torch.tensor([PLAIN[:4]]), {"temperature": 1.0, "seed": 3}
    said = continue_prompts(model, given, 6, **sampling).tolist()
    expected = continuations_table(given.tolist(), {"<b>": said}, gpt2())
    assert written_table({"<b>": model}, given, 6, gpt2(), **sampling) == expected
    assert written_table({"<b>": model}, given, 6, gpt2()) != expected
