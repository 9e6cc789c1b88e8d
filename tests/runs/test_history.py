"""Reading run folders: what counts as complete, and what is refused."""

from dataclasses import replace
from pathlib import Path

import pytest

from bitnet import History, HistoryError
from bitnet.runs.history import FORMAT, NewerFormatError, UnreadableError, default_runs_dir
from bitnet.tokenizer import gpt2, trained
from tests.support.corpus import made_up_vocabulary
from tests.support.histories import history as constant_history
from tests.support.runs import FOUND, REFERENCES, SAID, WRITTEN, record, write, writer_in


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

    monkeypatch.setattr(Path, "read_bytes", fail)
    with pytest.raises(
        UnreadableError, match=r"cannot be read .*Too many open files.*left as it is"
    ):
        History.load(tmp_path / "run")


def small_run(folder, words=None):
    """The history of a run of 300 tokens, written without training."""
    config = replace(WRITTEN, vocabulary=300)
    words = words or made_up_vocabulary(300)
    with writer_in(folder, config=config, words=words) as writer:
        writer(record(1))
        writer(record(8))
    return History.load(folder)


def test_a_run_keeps_its_small_vocabulary_and_its_text_is_decoded_with_it(tmp_path):
    words = trained(["the cat sat on the mat, and on the hat. " * 9], 270)
    config = replace(WRITTEN, vocabulary=words.size)
    with writer_in(tmp_path / "run", config=config, words=words):
        pass
    history = History.load(tmp_path / "run")
    assert (tmp_path / "run" / "merges.txt").read_text(encoding="utf-8") == words.to_text()
    assert "merges.txt" in history.manifest["files"]
    text = " the cat, été \U0001f600"
    (ids,) = words.encode([text])
    assert history.vocabulary.decode(ids) == text
    assert history.vocabulary.size == 270
    assert history.vocabulary is history.vocabulary  # read once


def test_a_run_of_gpt2s_vocabulary_keeps_none(tmp_path):
    history = write(tmp_path / "run", [1, 8])
    assert not (tmp_path / "run" / "merges.txt").exists()
    assert "merges.txt" not in history.manifest["files"]
    assert history.vocabulary is gpt2()


@pytest.mark.parametrize("how", ["missing", "truncated", "another"])
def test_a_damaged_vocabulary_is_found_and_named_in_one_line(tmp_path, how):
    small_run(tmp_path / "run")
    path = tmp_path / "run" / "merges.txt"
    if how == "another":
        path.write_text(trained(["aab aab"], 258).to_text())  # in itself a vocabulary
    else:
        damage(path, how)
    with pytest.raises(HistoryError, match=r"merges\.txt") as error:
        History.load(tmp_path / "run")
    assert str(tmp_path / "run") in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [None, "a b c\n", b"\xff"], ids=["none", "malformed", "bytes"])
def test_without_its_vocabulary_a_runs_text_is_refused_in_one_line(tmp_path, content):
    """Of a run that is under way, which has no checksums yet, or was read before."""
    history, path = small_run(tmp_path / "run"), tmp_path / "run" / "merges.txt"
    path.unlink()
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(HistoryError, match=r"merges\.txt: cannot be read \(") as error:
        _ = history.vocabulary
    assert "\n" not in str(error.value)


def test_a_history_without_a_folder_has_no_small_vocabulary():
    made_up = constant_history("l2-0.0", vocabulary=300)
    with pytest.raises(HistoryError, match=r"vocabulary 300, .*has no folder") as error:
        _ = made_up.vocabulary
    assert "\n" not in str(error.value)
    assert constant_history("l2-0.0").vocabulary is gpt2()


def test_a_newer_format_is_refused(tmp_path):
    write(tmp_path / "run", [1, 8])
    manifest = tmp_path / "run" / "manifest.json"
    manifest.write_text(manifest.read_text().replace(f'"format": {FORMAT}', '"format": 99'))
    with pytest.raises(NewerFormatError, match="newer version"):
        History.load(tmp_path / "run")


def test_the_runs_folder_can_be_chosen_by_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("BITNET_RUNS", str(tmp_path))
    assert default_runs_dir() == tmp_path
