"""The page and the printout of a diagnosis: whole, offline, escaped, and not over what is there."""

import errno
import io
from pathlib import Path

import pytest
import torch
from torch.optim import Adam

import bitnet
from benchmarks.models import SIZE, PlainGPT, token_text
from bitnet import ParameterError
from bitnet.display import diagnosis as module
from bitnet.display.diagnosis import diagnosis_page, new_page, print_diagnosis, write_page
from bitnet.terminal import Terminal
from tests.support.pages import fetched, text_of

NASTY = "<script>alert(1)</script>\x1b[31m"


class Words:
    """A stranger's tokenizer, whose every text is markup."""

    def __len__(self):
        return SIZE

    def decode(self, ids):
        return "".join(f"<b>{i}" for i in ids)


@pytest.fixture(scope="module")
def found():
    torch.manual_seed(0)
    model = PlainGPT()
    optimizer = Adam(model.parameters(), weight_decay=0.1)
    return bitnet.diagnose(model, token_text(tokens=5000), optimizer, Words(), positions=500)


def test_the_page_says_what_was_found_and_needs_no_network(found):
    page = diagnosis_page(found, "my model")
    assert fetched(page) == []
    read = text_of(page)
    assert "my model dead" in read
    for finding in found.findings:
        assert " ".join(f"{finding.subject} : {finding.message}".split()) in read.replace(
            f"{finding.subject}:", f"{finding.subject} :"
        )
    for measure in bitnet.MEASURES.values():
        assert measure.label in read
    for text in ("2 warnings", "Decay against gradient", "Effective rank", "Optimizer Adam"):
        assert text.split(" ")[0] in read
    assert len(page) < 60_000


def test_names_and_words_of_a_stranger_are_escaped(found):
    page = diagnosis_page(found, NASTY)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<b>3" not in page.replace("<b></b>", "")
    assert "&lt;b&gt;" in page


def test_the_printout_has_the_findings_and_obeys_nothing(found):
    out = io.StringIO()
    print_diagnosis(found, NASTY, Terminal(file=out, width=200))
    said = out.getvalue()
    assert said.startswith("<script>alert(1)</script>\\x1b[31m: dead\n")
    assert "warning: coupled decay: Adam with weight_decay=0.1 adds" in said
    assert "in the miniature" not in said
    assert "No warnings" not in said
    healthy = bitnet.diagnose(PlainGPT(), token_text(tokens=5000), positions=64)
    healthy.findings.clear()
    print_diagnosis(healthy, "m", Terminal(file=out, width=200))
    assert "No warnings." in out.getvalue()


def test_the_default_name_is_the_first_that_is_free(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert new_page("") == Path("diagnosis.html")
    (tmp_path / "diagnosis.html").write_text("kept")
    (tmp_path / "diagnosis-2.html").symlink_to("nowhere")
    assert new_page("") == Path("diagnosis-3.html")


def test_a_page_is_written_whole_or_not_at_all_and_over_nothing(found, tmp_path, monkeypatch):
    path = tmp_path / "page.html"
    write_page(found, "m", path)
    assert path.read_text() == diagnosis_page(found, "m")
    for value, match in (
        (str(path), "is taken"), (str(tmp_path / "no" / "p.html"), "in a folder that is there"),
    ):  # fmt: skip
        with pytest.raises(ParameterError, match=f"^out = .*{match}"):
            new_page(value)
    with pytest.raises(ParameterError, match="is taken"):
        write_page(found, "other", path)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "diagnosis_page", full)
    with pytest.raises(ParameterError, match=r"^out = .*No space left on device"):
        write_page(found, "m", tmp_path / "second.html")
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]
