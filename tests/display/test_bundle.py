"""The file to send back: what it holds, how it is written, and what is refused in reading."""

import errno
import json
import os
import zipfile

import pytest

from bitnet import HistoryError, ParameterError, judge
from bitnet.__main__ import main
from bitnet.display import bundle
from bitnet.display.bundle import LIMIT, judged, pack, read_bundle, reserve
from bitnet.scales import full_length
from tests.support.exports import pack_and_pause
from tests.support.processes import start

ENVIRONMENT = {"device": "a card", "torch": "2.13", "cuda": "12.8", "warnings": ["it is hot"]}


@pytest.fixture(scope="module")
def packed(tiny_runs, tmp_path_factory):
    """A file of two arms, of which other tests make copies."""
    path = tmp_path_factory.mktemp("bundle") / "gpu.zip"
    reserve(path)
    pack(path, [tiny_runs[arm, 0] for arm in ("l2-0.05", "l2-0.0")], [], ENVIRONMENT)
    return path


def changed(packed, folder, change):
    """A copy of the file whose members, a dictionary, `change` has changed."""
    with zipfile.ZipFile(packed) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    path = folder / "changed.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_it_is_read_as_it_was_packed(packed, tiny_runs):
    found = read_bundle(packed)
    assert found.environment == ENVIRONMENT
    assert {h.config for h in found.histories} == {
        tiny_runs[arm, 0].config for arm in ("l2-0.05", "l2-0.0")
    }
    assert found.facts["answer"] == judge(found.histories).answer
    with zipfile.ZipFile(packed) as archive:
        kinds = {name.rpartition("/")[2] for name in archive.namelist()}
    assert kinds == {
        "report.html", "verdict.json", "environment.json", "counts.csv", "manifest.json",
        "trace.csv", "measures.csv", "health.csv", "snapshots.jsonl", "merges.txt",
    }  # fmt: skip


def test_the_verdict_of_a_file_is_printed_anywhere(packed, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["verdict", str(packed)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    for part in (
        "nconclusive here",
        "a card, torch 2.13, CUDA 12.8",
        "WARNING: it is hot",
        "2 run",
    ):
        assert part in said
    assert list(tmp_path.iterdir()) == []


def test_the_whole_plan_with_its_check_is_small_enough(committed, tmp_path):
    """The committed runs of the brief's arms at both sizes, and one of 5000 steps."""
    arms = ("l2-0.05", "l2-0.0", "adamw-0.0")
    whole = [h for h in committed if full_length(h.config) and h.config.seed == 0]
    whole = [h for h in whole if h.config.arm in arms]
    short = [h for h in committed if h.config.steps == 5000][:3]
    assert (len(whole), len(short)) == (6, 3)
    path = tmp_path / "gpu.zip"
    reserve(path)
    pack(path, [*short, *whole], [], ENVIRONMENT)
    assert path.stat().st_size < LIMIT / 2
    found = read_bundle(path)
    assert found.facts["answer"] == "works"
    assert (found.facts["hidden"], found.facts["steps"]) == ([256, 512], 20_000)
    assert len(judged(found.histories)) == 6


def test_a_file_that_is_there_is_left_alone(tmp_path):
    path = tmp_path / "new folder" / "gpu.zip"
    reserve(path)
    path.write_bytes(b"finished")
    with pytest.raises(ParameterError, match="is there already"):
        reserve(path)
    assert path.read_bytes() == b"finished"


def test_one_that_is_too_large_is_not_written(tiny_runs, tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "LIMIT", 1000)
    for module in ("display.report_page", "analysis.answer"):  # beside no other runs
        monkeypatch.setattr(f"bitnet.{module}.RESULTS", tmp_path / "absent")
    path = tmp_path / "gpu.zip"
    reserve(path)
    with pytest.raises(HistoryError, match="more than 1000"):
        pack(path, [tiny_runs["l2-0.0", 0]], [], ENVIRONMENT)
    assert path.read_bytes() == b""


def says(member, key, value):
    def change(members):
        members[member] = json.dumps(json.loads(members[member]) | {key: value}).encode()

    return change


def edits_a_trace(members):
    name = next(name for name in members if name.endswith("/measures.csv"))
    members[name] = members[name].replace(b"7", b"8")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda members: members.update({"../outside.txt": b""}), "it holds '../outside.txt'"),
        (lambda members: members.update({"runs/../measures.csv": b""}), "it holds 'runs/../"),
        (lambda members: members.update({"runs/x/model.safetensors": b""}), "it holds 'runs/x/"),
        (lambda members: members.update({"/verdict.json": b""}), "it holds '/verdict.json'"),
        (lambda members: members.pop("environment.json"), "environment.json"),
        (lambda members: members.pop("verdict.json"), "verdict.json"),
        (says("verdict.json", "answer", "works"), "its verdict is not that of its runs"),
        (lambda m: m.update({"environment.json": b"{}"}), "environment.json must contain"),
        (lambda members: members.update({"environment.json": b"3"}), "not a whole file"),
        (edits_a_trace, "measures.csv does not match its checksum"),
    ],
)
def test_what_is_not_as_it_was_packed_is_refused(packed, tmp_path, change, why):
    path = changed(packed, tmp_path, change)
    with pytest.raises(HistoryError) as error:
        read_bundle(path)
    assert why in str(error.value)
    assert str(error.value).startswith(f"{path}: not a whole file of `bitnet verify-gpu` (")
    assert "\n" not in str(error.value)
    assert not (tmp_path.parent / "outside.txt").exists()


@pytest.mark.parametrize(("name", "value"), [("UNPACKED", 1000), ("MEMBERS", 5)])
def test_one_that_holds_too_much_is_refused_unread(packed, monkeypatch, name, value):
    monkeypatch.setattr(bundle, name, value)
    with pytest.raises(HistoryError, match="it holds too much"):
        read_bundle(packed)


def test_a_damaged_file_and_one_of_another_kind_are_refused(packed, tmp_path):
    other = tmp_path / "gpu.zip"
    content = packed.read_bytes()
    for bad in (b"", b"a text", content[: len(content) // 2], content[:3000] + content[3100:]):
        other.write_bytes(bad)
        with pytest.raises(HistoryError, match="not a whole file"):
            read_bundle(other)


def test_killed_before_it_has_its_name_the_same_command_writes_it(tmp_path, monkeypatch):
    path = tmp_path / "gpu.zip"
    process, connection = start(pack_and_pause, path, b"half")
    connection.recv()
    process.kill()
    process.join()
    assert path.read_bytes() == b""
    reserve(path)
    monkeypatch.setattr(bundle, "_packed", lambda *_: b"whole")
    pack(path, [], [], ENVIRONMENT)
    assert path.read_bytes() == b"whole"
    assert [path.name for path in tmp_path.iterdir()] == ["gpu.zip"]


def test_a_file_that_another_process_has_filled_is_not_written_over(tmp_path, monkeypatch):
    path = tmp_path / "gpu.zip"
    reserve(path)
    reserve(path)
    path.write_bytes(b"finished")
    monkeypatch.setattr(bundle, "_packed", lambda *_: b"mine")
    with pytest.raises(HistoryError, match="another process has filled it"):
        pack(path, [], [], ENVIRONMENT)
    assert path.read_bytes() == b"finished"


@pytest.mark.parametrize("where", ["pathlib.Path.write_bytes", "tempfile.mkdtemp"])
def test_a_full_disk_is_one_line_and_leaves_nothing_half_done(
    tiny_runs, tmp_path, monkeypatch, where
):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "gpu.zip"
    reserve(path)
    if where == "pathlib.Path.write_bytes":
        monkeypatch.setattr(bundle, "_packed", lambda *_: b"whole")
    monkeypatch.setattr(where, full)
    with pytest.raises(HistoryError, match=r"No space left on device\); make room") as error:
        pack(path, [tiny_runs["l2-0.0", 0]], [], ENVIRONMENT)
    assert "\n" not in str(error.value)
    assert path.read_bytes() == b""
    assert not list(tmp_path.glob("*.tmp"))


def test_the_words_are_those_of_its_runs_and_not_of_the_file(packed, tmp_path):
    def lies(members):
        facts = json.loads(members["verdict.json"])
        lie = {"in_words": "it works", "reason": "all is well", "prompt_probe": "healthy"}
        members["verdict.json"] = json.dumps(facts | lie).encode()

    assert read_bundle(changed(packed, tmp_path, lies)).facts == read_bundle(packed).facts


def test_a_pipe_or_a_device_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero", tmp_path):
        with pytest.raises(HistoryError, match="not a regular file"):
            read_bundle(path)
