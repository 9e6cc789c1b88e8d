"""The committed evidence: whole, judged anew, and quoted correctly wherever it is quoted."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bitnet import HistoryError, judge
from bitnet.checks import ParameterError
from bitnet.evidence import evidence_lines, load_evidence, load_plan, missing_lines, survey
from bitnet.history import HistoryWriter
from bitnet.readings import answers_by_size, readings
from bitnet.sweep import Sweep

ROOT = Path(__file__).parent.parent
EVIDENCE, PLAN = load_evidence(), load_plan()
DOCUMENTS = {name: (ROOT / name).read_text() for name in ("README.md", "results/README.md")}


def test_every_committed_run_is_complete_and_belongs_to_the_plan():
    assert EVIDENCE
    for history in EVIDENCE:
        assert history.complete, history.folder
        assert history.config in PLAN.runs, history.folder
        assert history.folder.name == history.manifest["identity"]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_quote_the_runs_as_they_are(name):
    rows = [line for line in DOCUMENTS[name].splitlines() if line.startswith("| `")]
    quoted = [line for line in rows if line.endswith(("passes |", "fails |", "open |"))]
    assert quoted == evidence_lines(EVIDENCE)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_quote_the_verdict(name):
    verdict = judge(EVIDENCE, PLAN.runs)
    assert f"**{verdict.answer}**: {verdict.reason}" in " ".join(DOCUMENTS[name].split())


def test_the_page_of_evidence_quotes_every_reading():
    page = " ".join(DOCUMENTS["results/README.md"].split())
    for row in (*readings(EVIDENCE, PLAN.runs).to_dict("records"), *sub_answers()):
        assert f"{row['question']} **{row['answer']}**: {row['reason']}." in page
    for row in answers_by_size(EVIDENCE, PLAN.runs).to_dict("records"):
        assert f"hidden {row['hidden']}: **{row['answer']}**: {row['reason']}" in page.replace("all sizes:", "hidden all:")


def sub_answers():
    return [dict(zip(("question", "answer", "reason"), row, strict=True)) for row in judge(EVIDENCE, PLAN.runs).sub_answers]


def test_missing_runs_are_listed_as_missing():
    listed = [line for line in DOCUMENTS["results/README.md"].splitlines() if line.startswith("- `")]
    assert listed == missing_lines(PLAN, EVIDENCE)


def test_the_committed_files_hold_no_text_of_the_corpus():
    """Run folders name tokens by number; what they say of text is decoded only when someone looks."""
    for path in (ROOT / "results" / "runs").glob("*/snapshots.jsonl"):
        assert not set(path.read_text()) - set('0123456789.,:[]{}" e-+_abcdefghijklmnopqrstuvwxyz\n')


def test_no_evidence_is_one_line(tmp_path):
    with pytest.raises(HistoryError, match="no committed runs here"):
        load_evidence(tmp_path)


def test_a_survey_says_of_every_run_of_a_plan_what_was_found(tiny_runs, tmp_path):
    whole, cut, spoiled = (tiny_runs[arm, 0] for arm in ("l2-0.05", "l2-0.0", "adamw-0.0"))
    for history in (whole, spoiled):
        shutil.copytree(history.folder, tmp_path / history.folder.name)
    (tmp_path / spoiled.folder.name / "trace.csv").write_text("not what it was")
    with HistoryWriter(tmp_path / cut.folder.name, cut.config, {}, cut.references):
        pass
    runs = (whole.config, cut.config, spoiled.config, replace(whole.config, seed=1))
    histories, table = survey(Sweep(runs), tmp_path)
    assert [h.config for h in histories] == [whole.config, cut.config]
    assert table.found.tolist()[0] == "complete"
    assert table.found[1] == "stopped, not evaluated yet"
    assert table.found[2].startswith("damaged: ") and "trace.csv does not match its checksum" in table.found[2]
    assert table.found[3] == "missing"


def test_a_folder_without_a_run_of_the_plan_is_one_line(tmp_path):
    with pytest.raises(HistoryError, match="holds no readable run of this sweep"):
        survey(PLAN, tmp_path)
    with pytest.raises(ParameterError, match="cannot be read"):
        load_plan(tmp_path / "plan.yaml")
