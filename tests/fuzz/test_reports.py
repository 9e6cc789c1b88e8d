"""The verdict of a report and the file of `bitnet verify-gpu`, damaged: printed or refused."""

import io
import json
import zipfile

from bitnet import Plan, judge
from bitnet.display.bundle import pack
from bitnet.display.printout import print_bundle, print_report
from bitnet.display.report import write_report
from bitnet.runs.history import seal
from bitnet.terminal import Terminal
from tests.support.mutations import MAGIC, MEANING, as_json, changed, fuzz, mutated, sha256

ENVIRONMENT = {"device": "a GPU", "torch": "2.9", "cuda": "12.8", "warnings": ["slow"]}


def printed(print_it, path):
    """What it prints, through the terminal of all commands: no character that one would obey."""
    said = io.StringIO()
    print_it(path, Terminal(file=said, width=100))
    assert said.getvalue()
    assert "\x1b" not in said.getvalue()
    return "printed"


def test_a_damaged_verdict_is_printed_or_refused(tmp_path, runs):
    plan = Plan(hidden=32, steps=40, device="cpu", runs_dir=tmp_path / "runs")
    path = write_report(tmp_path / "report", plan, runs, [], judge(runs)) / "verdict.json"
    whole, files = path.read_bytes(), sorted(path.parent.rglob("*"))

    def case(draw):
        if draw.random() < 0.4:
            kind, content = mutated(whole, MAGIC[0], draw)
        else:
            kind, content = "value", as_json(changed(json.loads(whole), draw))
        path.write_bytes(content)
        return kind, lambda: printed(print_report, path.parent)

    assert set(fuzz("a report", case)) == {"printed", "refused"}
    assert sorted(path.parent.rglob("*")) == files


def test_a_damaged_file_to_send_back_is_printed_or_refused(tmp_path, runs):
    path = tmp_path / "sent.zip"
    pack(path, runs, [], ENVIRONMENT)
    whole = path.read_bytes()

    def case(draw):
        kind, content = mutated(whole, MAGIC[0], draw)
        path.write_bytes(content)
        return kind, lambda: printed(print_bundle, path)

    assert fuzz("a file of `bitnet verify-gpu`", case)["refused"] > 1 / 2
    assert [path.name for path in tmp_path.iterdir()] == ["sent.zip"]


def test_a_changed_member_of_it_that_is_resealed_is_printed_or_refused(tmp_path, runs):
    path = tmp_path / "sent.zip"
    pack(path, runs, [], ENVIRONMENT)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}

    def case(draw):
        name = draw.choice([name for name in members if name != "report.html"])
        if name.endswith(".json"):
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
        return f"{name}, {kind}", lambda: printed(print_bundle, path)

    assert set(fuzz("its members, resealed", case)) == {"printed", "refused"}
