"""Checkpoints: whole or passed over, the newest two kept, and a cadence that stays cheap."""

import pytest
import torch

from bitnet.runs.checkpoint import Cadence, Checkpoint, clear, latest, put_in_place, save


def checkpoint(step):
    return Checkpoint(
        step, {"weight": torch.full((3, 4), float(step))}, [{"step": step, "loss": 7.0}]
    )


def test_the_newest_is_loaded_as_it_was(tmp_path):
    for step in (10, 20, 30):
        save(tmp_path, checkpoint(step))
    found = latest(tmp_path)
    assert (found.step, found.rows) == (30, [{"step": 30, "loss": 7.0}])
    assert torch.equal(found.tensors["weight"], torch.full((3, 4), 30.0))
    assert sorted(p.name for p in tmp_path.glob("*.safetensors")) == [
        "checkpoint-000000020.safetensors",
        "checkpoint-000000030.safetensors",
    ]


@pytest.mark.parametrize("name", ["checkpoint-000000030.safetensors", "checkpoint-000000030.json"])
@pytest.mark.parametrize("how", ["truncated", "flipped", "empty", "missing"])
def test_a_damaged_one_is_named_and_the_one_before_it_taken(tmp_path, name, how):
    for step in (20, 30):
        save(tmp_path, checkpoint(step))
    path = tmp_path / name
    content = bytearray(path.read_bytes())
    if how == "missing":
        path.unlink()
    else:
        content[len(content) // 2] ^= 1
        half = content[: len(content) // 2]
        path.write_bytes({"truncated": half, "flipped": content, "empty": b""}[how])
    lines = []
    assert latest(tmp_path, lines.append).step == 20
    assert len(lines) == (0 if how == "missing" else 1)
    assert all("damaged" in line and "\n" not in line for line in lines)


def test_a_digit_that_is_changed_in_step_or_rows_is_seen(tmp_path):
    for step in (20, 30):
        save(tmp_path, checkpoint(step))
    path = tmp_path / "checkpoint-000000030.json"
    text = path.read_text()
    digits = [i for i, letter in enumerate(text) if letter.isdigit()]
    for i in digits:
        path.write_text(f"{text[:i]}{(int(text[i]) + 1) % 10}{text[i + 1 :]}")
        assert latest(tmp_path, lambda line: None).step == 20, text[i - 20 : i + 5]
    assert len(digits) > 60


def test_a_checkpoint_under_the_name_of_another_step_is_passed_over(tmp_path):
    save(tmp_path, checkpoint(20))
    for path in list(tmp_path.iterdir()):
        path.rename(path.with_name(path.name.replace("20.", "30.")))
    assert latest(tmp_path, lambda line: None) is None


@pytest.mark.parametrize("moment", [1, 2, 3, 4])
def test_a_crash_while_writing_leaves_the_earlier_one(tmp_path, monkeypatch, moment):
    """The crash comes before the first, second, ... change of a name or writing of a file."""
    save(tmp_path, checkpoint(20))
    calls = iter(range(1, 99))

    def crash_at(function):
        def wrapped(*arguments, **named):
            if next(calls) == moment:
                raise KeyboardInterrupt
            return function(*arguments, **named)

        return wrapped

    for target in (
        "bitnet.runs.checkpoint.save_file",
        "bitnet.runs.checkpoint.put_in_place",
        "bitnet.runs.checkpoint._sha256",
    ):
        module, _, name = target.rpartition(".")
        monkeypatch.setattr(target, crash_at(getattr(__import__(module, fromlist=[name]), name)))
    with pytest.raises(KeyboardInterrupt):
        save(tmp_path, checkpoint(30))
    monkeypatch.undo()
    assert latest(tmp_path).step == 20
    save(tmp_path, checkpoint(30))
    assert latest(tmp_path).step == 30
    clear(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_gets_its_name_once_its_bytes_are_on_disk(tmp_path, monkeypatch):
    partial, whole = tmp_path / "a.tmp", tmp_path / "a"
    partial.write_bytes(b"bytes")
    synced = []
    monkeypatch.setattr("os.fsync", lambda handle: synced.append((handle, whole.exists())))
    put_in_place(partial, whole)
    assert [existed for _, existed in synced] == [False]
    assert whole.read_bytes() == b"bytes"
    assert not partial.exists()


def test_nothing_is_found_where_nothing_is(tmp_path):
    assert latest(tmp_path) is None


def test_the_cadence_in_steps_and_in_time(monkeypatch):
    by_steps = Cadence(every=30)
    assert [
        step for step in range(10, 100, 10) if by_steps.due(step) and not by_steps.note(step, 1.0)
    ] == [30, 60, 90]
    now = [0.0]
    monkeypatch.setattr("bitnet.runs.checkpoint.time.monotonic", lambda: now[0])
    by_time = Cadence()
    by_time.note(10, 0.4)  # writing took 0.4 s: 2 % of 20 s
    now[0] = 19.9
    assert not by_time.due(20)
    now[0] = 20.1
    assert by_time.due(20)
