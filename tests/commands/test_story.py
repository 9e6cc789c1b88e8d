"""`bitnet story`: where its page may go."""

import os

import pytest

from bitnet.__main__ import main
from bitnet.commands import story


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """The page itself is that of `tests/display/test_story.py`."""
    monkeypatch.setattr(story, "story_page", lambda runs: "a page")
    monkeypatch.setattr(story, "load_results", list)


@pytest.mark.parametrize("page", ["pipe", "folder", "absent/page.html", "x" * 300, "~nosuchuser/x"])
def test_what_can_be_no_page_is_one_line(tmp_path, monkeypatch, capsys, page):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    (tmp_path / "folder").mkdir()
    assert main(["story", "--page", page]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ParameterError: page = ")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["folder", "pipe"]


def test_a_page_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch, capsys):
    path = tmp_path / "page.html"
    path.write_text("before")
    assert main(["story", "--page", str(path)]) == 0
    assert path.read_text() == "a page"
    monkeypatch.setattr(story, "story_page", lambda runs: "half a \ud800 character")
    with pytest.raises(UnicodeEncodeError):
        main(["story", "--page", str(path)])
    assert path.read_text() == "a page"
    assert list(tmp_path.iterdir()) == [path]
