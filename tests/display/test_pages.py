"""The pieces of pages: escaped, self-contained, in the order that a reader needs."""

from dataclasses import replace
from importlib.resources import files

from bitnet.display.pages import PLACES, player, render
from tests.support.pages import data_of, fetched, text_of

LONGEST_LINE = 100
TEMPLATES = [f for f in files("bitnet.display").iterdir() if f.name.endswith(("j2", "css", "js"))]


def test_the_broken_setting_the_fix_and_adamw_stand_first_whatever_the_order(tiny_runs):
    runs = [tiny_runs[arm, 0] for arm in ("no-decay", "adamw-0.0", "l2-0.0", "l2-0.05")]
    runs.insert(0, tiny_runs["l2-0.0", 1])
    labels = [run["label"].split(",")[0] for run in player(runs)["runs"]]
    assert labels == ["l2-0.05", "l2-0.0", "adamw-0.0", "no-decay", "l2-0.0"]
    pair = [tiny_runs["l2-0.0", 0], tiny_runs["l2-0.05", 0]]
    assert [run["label"] for run in player(pair)["runs"]] == ["l2-0.05", "l2-0.0"]
    assert player(pair)["places"] == 2
    assert player(runs)["places"] == PLACES


def test_runs_that_are_left_out_are_counted(runs):
    page = render("explorer.html.j2", data=player(runs, most=2))
    assert "1 more runs are not shown" in text_of(page)
    assert len(data_of(page)[0]["runs"]) == 2


def test_a_run_without_an_evaluation_is_left_out_and_no_run_is_no_piece(runs):
    empty = replace(runs[0], measures=runs[0].measures.iloc[:0], snapshots=[])
    assert [run["label"] for run in player([empty, *runs[1:]])["runs"]] == ["l2-0.0", "adamw-0.0"]
    assert 'class="player"' not in render("explorer.html.j2", data=player([empty]))


def test_texts_of_models_are_escaped_in_markup_and_in_data(runs):
    (script,) = runs[0].vocabulary.encode(["</script><script>alert(1)</script><!-- "])
    snapshots = [
        replace(
            snapshot,
            top_tokens=[(i, 0.01, 0.0) for i in dict.fromkeys(script)],
            continuations=[script] * 8,
        )
        for snapshot in runs[0].snapshots
    ]
    page = render("explorer.html.j2", data=player([replace(runs[0], snapshots=snapshots)]))
    assert "<script>alert" not in page
    assert "".join(t for t, _ in data_of(page)[0]["runs"][0]["moments"][0]["said"][0]).startswith(
        "</script><script>alert(1)"
    )


def test_the_openings_are_shown_only_where_a_corpus_is_given(runs, corpus):
    assert player(runs)["openings"] == []
    openings = player(runs, corpus)["openings"]
    assert len(openings) == 3
    page = render("explorer.html.j2", data=player(runs, corpus))
    assert page.count('class="opening"') == 3 * len(runs)


def test_a_page_loads_nothing(runs):
    assert fetched(render("explorer.html.j2", data=player(runs))) == []
    assert fetched('<script src="https://example.org/a.js"></script>') != []


def test_templates_have_short_lines_and_no_address():
    assert len(TEMPLATES) >= 10
    for file in TEMPLATES:
        text = file.read_text(encoding="utf-8")
        assert [line for line in text.splitlines() if len(line) > LONGEST_LINE] == [], file.name
        assert "http" not in text, file.name
