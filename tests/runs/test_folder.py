"""A new folder: there whole or not at all."""

import os

import pytest

from bitnet import ParameterError
from bitnet.runs.folder import new_folder


def test_it_takes_its_name_when_all_is_written(tmp_path):
    out = tmp_path / "above" / "out"
    with new_folder("out", out) as folder:
        (folder / "a").write_text("a")
        assert not out.exists()
        assert folder.parent == out.parent  # so that a rename is all that is left
    assert (out / "a").read_text() == "a"
    assert list(out.parent.iterdir()) == [out]


def test_a_folder_that_was_filled_meanwhile_is_left_as_it_is(tmp_path):
    out = tmp_path / "out"
    taken = pytest.raises(ParameterError, match=r"^out = .*cannot be written")
    with taken, new_folder("out", out) as folder:
        (folder / "a").write_text("a")
        out.mkdir()
        (out / "theirs").write_text("kept")
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "theirs"]


def test_the_folder_where_one_stands_can_be_the_target(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with new_folder("out", ".") as folder:
        (folder / "a").write_text("a")
    assert [path.name for path in tmp_path.rglob("*")] == ["here", "a"]


def test_what_a_killed_process_left_is_no_hindrance(tmp_path):
    left = tmp_path / f".out.{os.getpid()}.tmp"
    left.mkdir()
    (left / "half").write_text("")
    with new_folder("out", tmp_path / "out"):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == ["out"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_any_error_passes_and_leaves_nothing(tmp_path, error):
    with pytest.raises(error), new_folder("out", tmp_path / "out") as folder:
        (folder / "a").write_text("a")
        raise error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", ["", None, 3])
def test_what_is_no_name_is_refused(value):
    with pytest.raises(ParameterError, match=r"^out = "), new_folder("out", value):
        pytest.fail("it was begun")


def test_a_name_that_no_file_system_takes_is_refused(tmp_path):
    taken = pytest.raises(ParameterError, match=r"^out = .*cannot be used as a path \(.*too long")
    with taken, new_folder("out", tmp_path / ("x" * 300)):
        pytest.fail("it was begun")
