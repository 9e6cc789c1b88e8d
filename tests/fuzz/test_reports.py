"""The verdict of a report and the file of `bitnet verify-gpu`, damaged: printed or refused."""

import io
import json
import zipfile

import pytest

from bitnet import judge
from bitnet.analysis.answer import Comparison
from bitnet.checks import printable
from bitnet.display import bundle, printout
from bitnet.display.bundle import pack, read_bundle
from bitnet.display.printout import print_bundle, print_report
from bitnet.display.report_folder import VERDICT
from bitnet.runs.history import seal
from bitnet.terminal import Terminal
from tests.support.mutations import MAGIC, MEANING, as_json, changed, fuzz, mutated, sha256

ENVIRONMENT = {"device": "a GPU", "torch": "2.9", "cuda": "12.8", "warnings": ["slow"]}
TOLD = ("question", "in_words", "answer", "reason", "sub_answers", "prompt_probe", "beside_full")
BESIDE = Comparison("works there", ("a: yes",), ("b: no here, yes there",))


@pytest.fixture(scope="module")
def sent(tiny_runs, tmp_path_factory):
    """The file to send back of three runs, whole, and its members by name."""
    path = tmp_path_factory.mktemp("sent") / "sent.zip"
    pack(path, [tiny_runs[arm, 0] for arm in ("l2-0.05", "l2-0.0", "adamw-0.0")], [], ENVIRONMENT)
    with zipfile.ZipFile(path) as archive:
        return path.read_bytes(), {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(autouse=True)
def beside(monkeypatch):
    """The committed runs are not read for each case."""
    monkeypatch.setattr(bundle, "beside_full", lambda *_: BESIDE)


def printed(print_it, path):
    """What it prints, through the terminal of all commands: no character that one would obey."""
    said = io.StringIO()
    print_it(path, Terminal(file=said, width=100))
    assert said.getvalue()
    assert "\x1b" not in said.getvalue()
    return said.getvalue()


def test_a_damaged_verdict_is_printed_or_refused(tmp_path, sent):
    path, whole = tmp_path / VERDICT, sent[1]["verdict.json"]

    def case(draw):
        if draw.random() < 0.4:
            kind, content = mutated(whole, MAGIC[0], draw)
        else:
            kind, content = "value", as_json(changed(json.loads(whole), draw))
        path.write_bytes(content)

        def act():
            said = printed(print_report, tmp_path)
            for key in ("question", "prompt_probe"):
                assert printable(json.loads(content)[key])[:20].strip() in said
            return "printed"

        return kind, act

    assert set(fuzz("a report", case)) == {"printed", "refused"}
    assert [found.name for found in tmp_path.iterdir()] == [VERDICT]


def test_a_damaged_file_to_send_back_is_printed_as_it_was_or_refused(tmp_path, sent):
    path, whole = tmp_path / "sent.zip", sent[0]
    path.write_bytes(whole)
    expected = printed(print_bundle, path)

    def case(draw):
        kind, content = mutated(whole, MAGIC[0], draw)
        path.write_bytes(content)

        def act():
            assert printed(print_bundle, path) == expected
            return "printed"

        return kind, act

    assert fuzz("a file of `bitnet verify-gpu`", case)["refused"] > 1 / 2
    assert [path.name for path in tmp_path.iterdir()] == ["sent.zip"]


def test_a_changed_member_of_it_that_is_resealed_is_told_by_its_runs_or_refused(
    tmp_path, sent, monkeypatch
):
    path, members, seen = tmp_path / "sent.zip", sent[1], []
    monkeypatch.setattr(printout, "read_bundle", lambda p: seen.append(read_bundle(p)) or seen[-1])
    path.write_bytes(sent[0])
    facts = {name: read_bundle(path).facts[name] for name in TOLD}

    def case(draw):
        name = draw.choice([name for name in members if name != "report.html"])
        if draw.random() < 0.3:
            name = draw.choice(["verdict.json", "environment.json"])
        if name == "verdict.json" and draw.random() < 0.5:
            told = draw.choice(["question", "in_words", "reason", "prompt_probe"])
            kind, content = "a lie", as_json(json.loads(members[name]) | {told: "all is well"})
        elif name.endswith(".json"):
            kind, content = "value", as_json(changed(json.loads(members[name]), draw))
        else:
            kind, content = mutated(members[name], MAGIC[0], draw, MEANING)
        found = members | {name: content}
        folder, _, file = name.rpartition("/")
        if folder:
            manifest = json.loads(found[f"{folder}/manifest.json"])
            if isinstance(manifest, dict):
                sums = manifest.get("files")
                if isinstance(sums, dict) and file in sums:
                    sums[file] = sha256(content)
                manifest |= {"sha256": seal(manifest)}
            found[f"{folder}/manifest.json"] = as_json(manifest)
        with zipfile.ZipFile(path, "w") as archive:
            for member, data in found.items():
                archive.writestr(member, data)

        def act():
            assert printed(print_bundle, path)
            told = seen[-1]
            assert told.facts["answer"] == judge(told.histories).answer
            # Whatever the verdict in the file says: the words are those of its runs.
            if not folder:
                assert {name: told.facts[name] for name in TOLD} == facts
            return "printed"

        return f"{name}, {kind}", act

    assert set(fuzz("its members, resealed", case)) == {"printed", "refused"}
