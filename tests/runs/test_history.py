"""Reading run folders: what counts as complete, and what is refused."""

from pathlib import Path

import pytest

from bitnet import History, HistoryError
from bitnet.runs.history import FORMAT, NewerFormatError, UnreadableError, default_runs_dir
from tests.support.runs import FOUND, REFERENCES, SAID, WRITTEN, write


def test_a_finished_run_reads_back_as_it_was_written(tmp_path):
    history = write(tmp_path / "run", [1, 4, 8])
    assert history.complete
    assert history.config == WRITTEN
    assert history.references == REFERENCES
    assert history.at(4) == {"step": 4, "loss": 7.0, "lr": 1e-3, "wd": 0.1, **FOUND}
    assert history.at(5) is None
    assert history.states.tolist() == ["diverse"] * 3
    assert history.health.step.tolist() == [1, 4, 8]
    assert history.health.zero.tolist() == [0.25] * 3
    assert history.snapshots == [SAID] * 3


def damage(path, how):
    content = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "truncated":
        path.write_bytes(content[: len(content) // 2])
    else:  # one digit becomes another: still well-formed
        half = len(content) // 2
        position = next(i for i in range(half, len(content)) if content[i : i + 1].isdigit())
        changed = bytearray(content)
        changed[position] ^= 1
        path.write_bytes(changed)


@pytest.mark.parametrize(
    "name", ["manifest.json", "trace.csv", "measures.csv", "health.csv", "snapshots.jsonl"]
)
@pytest.mark.parametrize("how", ["missing", "truncated", "flipped"])
def test_damage_is_found_and_named_in_one_line(tmp_path, name, how):
    write(tmp_path / "run", [1, 8])
    damage(tmp_path / "run" / name, how)
    with pytest.raises(HistoryError) as error:
        History.load(tmp_path / "run")
    assert str(tmp_path / "run") in str(error.value)
    assert "\n" not in str(error.value)


def test_what_cannot_be_read_just_now_is_not_called_damaged(tmp_path, monkeypatch):
    write(tmp_path / "run", [1, 8])

    def fail(self, *_):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(Path, "read_text", fail)
    with pytest.raises(
        UnreadableError, match=r"cannot be read .*Too many open files.*left as it is"
    ):
        History.load(tmp_path / "run")


def test_a_newer_format_is_refused(tmp_path):
    write(tmp_path / "run", [1, 8])
    manifest = tmp_path / "run" / "manifest.json"
    manifest.write_text(manifest.read_text().replace(f'"format": {FORMAT}', '"format": 99'))
    with pytest.raises(NewerFormatError, match="newer version"):
        History.load(tmp_path / "run")


def test_the_runs_folder_can_be_chosen_by_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("BITNET_RUNS", str(tmp_path))
    assert default_runs_dir() == tmp_path
