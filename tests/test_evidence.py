"""The committed evidence: whole, judged anew, and quoted correctly wherever it is quoted."""

from pathlib import Path

import pytest

from bitnet import HistoryError, judge
from bitnet.evidence import evidence_lines, load_evidence, missing_lines
from bitnet.sweep import Sweep

ROOT = Path(__file__).parent.parent
EVIDENCE = load_evidence()
DOCUMENTS = {name: (ROOT / name).read_text() for name in ("README.md", "results/README.md")}


def test_every_committed_run_is_complete_and_belongs_to_the_plan():
    planned = Sweep.load(ROOT / "params" / "plan.yaml").runs
    assert EVIDENCE
    for history in EVIDENCE:
        assert history.complete, history.folder
        assert history.config in planned, history.folder
        assert history.folder.name == history.manifest["identity"]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_quote_the_runs_as_they_are(name):
    rows = [line for line in DOCUMENTS[name].splitlines() if line.startswith("| `")]
    quoted = [line for line in rows if line.endswith(("passes |", "fails |", "open |"))]
    assert quoted == evidence_lines(EVIDENCE)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_quote_the_verdict(name):
    verdict = judge(EVIDENCE)
    assert f"**{verdict.answer}**: {verdict.reason}" in " ".join(DOCUMENTS[name].split())


def test_missing_runs_are_listed_as_missing():
    listed = [line for line in DOCUMENTS["results/README.md"].splitlines() if line.startswith("- `")]
    assert listed == missing_lines(Sweep.load(ROOT / "params" / "plan.yaml"), EVIDENCE)


def test_the_committed_files_hold_no_text_of_the_corpus():
    """Run folders name tokens by number; what they say of text is decoded only when someone looks."""
    for path in (ROOT / "results" / "runs").glob("*/snapshots.jsonl"):
        assert not set(path.read_text()) - set('0123456789.,:[]{}" e-+_abcdefghijklmnopqrstuvwxyz\n')


def test_no_evidence_is_one_line(tmp_path):
    with pytest.raises(HistoryError, match="no committed runs here"):
        load_evidence(tmp_path)
