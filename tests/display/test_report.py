"""The report bundle and its reading in the terminal."""

import io
import json
import re
from dataclasses import replace

import pytest
import torch

from bitnet import HistoryError, Plan, Trainer, checklist, execute, judge, preflight
from bitnet.__main__ import main
from bitnet.analysis.answer import in_words, registered
from bitnet.analysis.mechanism import block_table, death_table
from bitnet.analysis.results import load_plan, survey
from bitnet.analysis.statistics import paired_differences, recovery
from bitnet.display.explorer import explore
from bitnet.display.figures import entropy_figure, phase_figure, spread_figure
from bitnet.display.printout import print_report
from bitnet.display.report import write_report
from bitnet.display.weight_figures import grid_figure, penalty_figure, row_norm_figure
from bitnet.terminal import Terminal
from tests.support.corpus import VOCABULARY, named_for
from tests.support.pages import data_of, fetched, text_of


@pytest.fixture(scope="module")
def study(tmp_path_factory, corpus):
    plan = Plan(
        hidden=32,
        steps=8,
        arms="l2-0.05,l2-0.0",
        device="cpu",
        scale="full",
        vocabulary=VOCABULARY,
        probe_positions=310,
        runs_dir=tmp_path_factory.mktemp("runs"),
    )
    histories = execute(plan, named_for(plan, corpus))
    return plan, histories, preflight(plan.runs, corpus), judge(histories)


@pytest.fixture(scope="module")
def report(study, tmp_path_factory):
    """The folder of a report, for what only reads it."""
    return write_report(tmp_path_factory.mktemp("written") / "report", *study)


def test_the_bundle_holds_traces_verdict_and_page(study, report):
    folder = report
    assert {p.name for p in folder.iterdir()} == {"report.html", "verdict.json", "traces"}
    traces = sorted(p.name for p in (folder / "traces").glob("*-trace.csv"))
    assert traces == [f"{arm}-h32-v{VOCABULARY}-t8-s0-trace.csv" for arm in ("l2-0.0", "l2-0.05")]
    facts = json.loads((folder / "verdict.json").read_text())
    assert facts["answer"] == study[3].answer == "inconclusive"
    assert len(facts["final_counts"]) == 2


def test_the_page_needs_no_network_and_is_small(study, report):
    page = (report / "report.html").read_text()
    assert fetched(page) == []
    assert len(page.encode()) < 1_000_000
    assert page.count('<figure class="chart') >= 5
    assert "inconclusive" in page


def test_the_page_shows_what_the_arms_write_and_the_committed_answer_beside_it(study, report):
    page = (report / "report.html").read_text()
    own, recommended, committed = data_of(page)
    assert [run["label"] for run in recommended["runs"]] == ["recommended"]
    assert [run["label"] for run in own["runs"]] == ["l2-0.05", "l2-0.0"]
    assert [step["step"] for step in own["steps"]][-1] == 8
    assert [run["label"] for run in committed["runs"]] == ["l2-0.05", "l2-0.0", "adamw-0.0"]
    registered = load_plan()
    verdict = judge(survey(registered)[0], registered.runs)
    for text in (study[3].reason, verdict.reason, "22 of 22 planned"):
        assert " ".join(text.split()) in text_of(page)


def test_outside_a_checkout_the_page_has_the_study_alone(study, tmp_path, monkeypatch):
    monkeypatch.setattr("bitnet.display.report_page.RESULTS", tmp_path / "absent")
    monkeypatch.setattr("bitnet.analysis.cure.TABLE", tmp_path / "absent")
    page = (write_report(tmp_path / "report", *study) / "report.html").read_text()
    assert len(data_of(page)) == 1
    assert "committed runs" not in text_of(page)


def test_numbers_in_the_page_are_written_as_people_write_them(study, report):
    text = text_of((report / "report.html").read_text())
    assert not re.search(r"\bnan\b|\bNaN\b|(?<!\w)-0\.0+\b|\d\.\d{4}", text)
    assert not re.search(r"\d+\.000\b", text)


def test_each_run_is_told_with_its_own_text_device_and_versions(study, tmp_path):
    plan, (first, second), findings, verdict = study
    elsewhere = {
        "corpus": {"name": "sotu", "tokens": 12345, "fingerprint": "f" * 64},
        "device": {"name": "another device"},
        "versions": {"torch": "9.9", "python": "3.99"},
    }
    second = replace(second, manifest={**second.manifest, **elsewhere})
    folder = write_report(tmp_path / "report", plan, [first, second], findings, verdict)
    page = (folder / "report.html").read_text()
    for text in ("sotu, 12\u202f345 tokens", "another device", "torch 9.9, Python 3.99"):
        assert page.count(text) == 1
    versions = first.manifest["versions"]
    assert page.count(f"torch {versions['torch']}, Python {versions['python']}") == 1


def test_text_in_the_page_is_escaped(study, tmp_path):
    plan, histories, findings, verdict = study
    spoiled = type(findings[0])("note", "<script>alert(1)</script>", "<b>bold</b>")
    page = (
        write_report(tmp_path / "report", plan, histories, [spoiled], verdict) / "report.html"
    ).read_text()
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_a_report_replaces_a_report_and_nothing_else(study, tmp_path):
    folder = write_report(tmp_path / "report", *study)
    write_report(folder, *study)
    write_report(folder, *study)
    assert (tmp_path / "report.previous" / "verdict.json").exists()
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    with pytest.raises(HistoryError, match="choose another report_dir"):
        write_report(tmp_path / "thesis", *study)
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "years of work"


def test_an_arm_that_ran_out_of_memory_at_once_does_not_keep_the_others_from_being_shown(
    corpus, tmp_path, monkeypatch
):
    update = Trainer.update

    def fail(self, step):
        if self.config.arm == "l2-0.1":
            raise torch.OutOfMemoryError("CUDA")
        return update(self, step)

    monkeypatch.setattr(Trainer, "update", fail)
    plan = Plan(
        hidden=8,
        steps=8,
        arms="l2-0.1,l2-0.0",
        device="cpu",
        scale="full",
        vocabulary=VOCABULARY,
        runs_dir=tmp_path / "runs",
        probe_positions=310,
    )
    histories = execute(plan, named_for(plan, corpus))
    assert [len(h.measures) > 0 for h in histories] == [False, True]
    folder = write_report(tmp_path / "report", plan, histories, [], judge(histories))
    assert json.loads((folder / "verdict.json").read_text())["answer"] == "inconclusive"
    for history in histories:
        assert len(checklist(history)) == 5
        assert recovery(history)["switch at"] == 4
    assert len(paired_differences(histories, "l2-0.0", "l2-0.1")) == 0
    assert (
        death_table(histories, corpus).arm.tolist()
        == block_table(histories, corpus).arm.tolist()
        == ["l2-0.0"]
    )
    assert [trace.name for trace in spread_figure(histories, "val_loss").data if trace.name] == [
        "l2-0.0"
    ]
    grid_figure(histories)
    for figure in (
        phase_figure,
        entropy_figure,
        penalty_figure,
        row_norm_figure,
    ):
        figure(histories)
    assert repr(explore(histories)) == "Explorer of l2-0.0"


def test_a_crash_while_writing_keeps_the_earlier_report_and_claims_nothing(
    study, tmp_path, monkeypatch
):
    folder = write_report(tmp_path / "report", *study)
    before = (folder / "verdict.json").read_bytes()
    monkeypatch.setattr("bitnet.display.report.report_page", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_report(folder, *study)
    assert not folder.exists()
    assert (tmp_path / "report.previous" / "verdict.json").read_bytes() == before


def printed(folder):
    out = io.StringIO()
    print_report(folder, Terminal(file=out, width=80))
    return out.getvalue()


def in_order(text, parts):
    """Whether all of these stand in a text, each after the one before, lines or not."""
    places = [" ".join(text.split()).find(" ".join(part.split())) for part in parts]
    assert -1 not in places, parts[places.index(-1)]
    return places == sorted(places)


def test_the_terminal_shows_the_answer_first_and_the_paths_last_in_80_columns(study, report):
    folder = report
    text, verdict = printed(folder), study[3]
    files = [folder / name for name in ("report.html", "verdict.json", "traces")]
    words = in_words(study[1], verdict)
    asked = [
        f"- {question} {answer.upper()}: {why}" for question, answer, why in verdict.sub_answers
    ]
    parts = [
        "Does Stage-2 weight decay 0.0 cure", f"I{words[1:]}.", verdict.reason,
        "The registered full runs: ", *asked, f"- The 20-prompt probe: {verdict.prompt_probe}",
        *map(str, files),
    ]  # fmt: skip
    assert words.startswith("inconclusive here (hidden 32, ")
    assert len(asked) == 3
    assert in_order(text, parts)
    assert "…" not in text
    shown = [line for line in text.splitlines() if not any(str(path) in line for path in files)]
    assert max(map(len, shown)) <= 80
    assert all(f"  {path}  " in text for path in files)


def test_the_command_prints_the_registered_answer_beside_the_readers_own(report, capsys):
    full, registered_verdict = registered()
    assert main(["verdict", str(report)]) == 0
    words = in_words(full, registered_verdict)
    parts = [
        "Inconclusive here",
        f"The registered full runs: {words}.",
        "Not compared",
        "- Does it stay",
    ]
    assert in_order(capsys.readouterr().out, parts)


def test_where_both_are_whole_it_says_in_what_they_agree_and_in_what_not(study, tmp_path):
    folder = write_report(tmp_path / "report", *study)
    facts = json.loads((folder / "verdict.json").read_text())
    beside = {"answer": "works there", "alike": ["a: yes", "b: no"], "unlike": ["c: yes here, no"]}
    for unlike in (beside["unlike"], []):
        facts["beside_full"] = beside | {"unlike": unlike}
        (folder / "verdict.json").write_text(json.dumps(facts))
        told = "They do not agree in: - c: yes here, no" if unlike else "They disagree in nothing"
        agree = f"They agree in 2 of {2 + len(unlike)}: a: yes; b: no."
        first = facts["sub_answers"][0][0]
        assert in_order(printed(folder), ["full runs: works there.", agree, told, f"- {first}"])
    facts["beside_full"] = None  # outside a checkout
    (folder / "verdict.json").write_text(json.dumps(facts))
    assert "full runs" not in printed(folder)


def test_no_report_is_one_line_and_exit_code_1(tmp_path, capsys):
    assert main(["verdict", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "no finished report" in error


def test_a_report_of_an_earlier_version_is_one_line_and_exit_code_1(study, tmp_path, capsys):
    folder = write_report(tmp_path / "report", *study)
    facts = json.loads((folder / "verdict.json").read_text())
    del facts["in_words"]
    (folder / "verdict.json").write_text(json.dumps(facts))
    assert main(["verdict", str(folder)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "earlier version" in error


@pytest.mark.parametrize(
    "changed",
    [{"answer": None}, {"sub_answers": [["a", "b"]]}, {"beside_full": {}}, {"question": 7}, "[]"],
    ids=str,
)
def test_a_verdict_that_is_none_is_one_line_and_exit_code_1(report, tmp_path, capsys, changed):
    facts = json.loads((report / "verdict.json").read_text())
    text = changed if isinstance(changed, str) else json.dumps(facts | changed)
    (tmp_path / "verdict.json").write_text(text)
    assert main(["verdict", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "a report that is damaged, or of an earlier version" in error
