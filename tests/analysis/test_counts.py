"""The counts of finished runs as tables, on made-up histories."""

from bitnet import MEASURES, History, checklist, final_counts
from bitnet.analysis.counts import COUNTED, column_heads
from tests.support.histories import BROKEN, DEAD, REFERENCES, history


def test_the_checklist_sits_at_the_milestones():
    table = checklist(history("l2-0.0", stage1=DEAD))
    assert table.step.tolist() == [1000, 10_000, 11_000, 15_000, 20_000]
    assert table.state.tolist() == ["dead", "dead", "diverse", "diverse", "diverse"]
    cut = checklist(history("l2-0.0", status="stopped", until=12_000))
    assert cut.state.tolist()[-1] == "not reached"


def test_the_checklist_says_what_was_expected_and_what_was_measured():
    table = checklist(history("l2-0.0", stage1=DEAD))
    assert table.milestone.tolist() == [
        "early in Stage 1",
        "end of Stage 1",
        "after the switch",
        "middle of Stage 2",
        "last step",
    ]
    assert table["20-prompt probe (of 20)"].tolist() == [19, 19, 4, 4, 4]
    assert table["unique tokens (of 4123)"].tolist() == [900, 900, 400, 400, 400]
    assert table["the brief expects"].tolist()[-1] == "more than 50"


def test_final_counts_have_a_row_a_run():
    table = final_counts([BROKEN, history("l2-0.0")])
    assert table["arm"].tolist() == ["l2-0.05", "l2-0.0"]
    assert table["checks"].tolist() == ["fails", "passes"]
    short = final_counts(
        [history("l2-0.0", steps=5000), history("l2-0.0", steps=5000, status="stopped", until=1000)]
    )
    assert short["checks"].tolist() == ["passes (short)", "unfinished"]


def test_columns_are_those_of_the_table_of_measures():
    table = final_counts([history("l2-0.0")])
    names = [MEASURES[name].column for name in COUNTED]
    about = ["loss below", "state", "checks"]
    assert table.columns.tolist() == ["arm", "hidden", "seed", "step", *names, *about]
    assert table["mutual information"].tolist() == [2.0]


def test_a_run_that_was_never_evaluated_has_no_row():
    empty = history("l2-0.0", until=0.5)
    assert not empty.evaluated
    assert len(final_counts([empty])) == 0
    assert len(final_counts([empty, BROKEN])) == 1


def test_heads_name_what_all_runs_are_read_against_and_no_reference_of_one_of_them():
    run = history("l2-0.0")
    heads = column_heads([run, BROKEN])
    assert heads["unique_tokens"] == "unique tokens (of 4123)"
    assert heads["unique_predictions"] == "20-prompt probe (of 20)"
    assert heads["seq_rep_4"] == "repeated 4-grams (text: 0.03)"
    other = History(
        run.config, "complete", run.measures, REFERENCES | {"unique_tokens_ceiling": 99.0}
    )
    assert column_heads([run, other])["unique_tokens"] == "unique tokens"
    assert column_heads([run, other])["seq_rep_4"] == "repeated 4-grams (text: 0.03)"
    assert list(heads) == list(COUNTED)
