"""Every file of a checkpoint, damaged: read right, or passed over in one line; then trained on."""

import json
import shutil
from dataclasses import replace

import pytest
from safetensors.torch import load, save

from bitnet.runs.checkpoint import latest
from bitnet.runs.history import seal
from bitnet.runs.run import Stop, run
from bitnet.runs.state import check_state
from tests.support.equality import same
from tests.support.mutations import as_json, changed, fuzz, mutated, one_line, sha256
from tests.support.runs import CPU, TRAINED
from tests.support.tensors import forms, other_tensors, with_header

SHORT = replace(TRAINED, hidden=8, steps=8)


def stop(config, record):
    if record.step == 6:
        raise Stop


@pytest.fixture(scope="module")
def cut(corpus, tmp_path_factory):
    """The folder of a run that was stopped after step 6, and its two files of a checkpoint."""
    runs = tmp_path_factory.mktemp("cut")
    with pytest.raises(Stop):
        run(SHORT, corpus, runs, CPU, [stop], log=lambda line: None)
    (folder,) = runs.glob("l2*")
    return folder, sorted(path.name for path in folder.glob("checkpoint-*"))


@pytest.fixture
def folder(cut, tmp_path):
    copied = tmp_path / "runs" / cut[0].name
    shutil.copytree(cut[0], copied)
    yield copied
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def damage(cut, folder, draw):
    """Either file, damaged; its kind."""
    for name in cut[1]:
        shutil.copyfile(cut[0] / name, folder / name)
    name = draw.choice(cut[1])
    other = (cut[0] / draw.choice([*cut[1], "manifest.json"])).read_bytes()
    kind, content = mutated((cut[0] / name).read_bytes(), other, draw)
    (folder / name).write_bytes(content)
    return f"{name}, {kind}"


def taken(folder):
    """The checkpoint, or None with one line that says why."""
    lines = []
    found = latest(folder, lines.append, lambda checkpoint: check_state(SHORT, checkpoint))
    assert found or (len(lines) == 1 and one_line(lines[0])), lines
    return found


def test_a_damaged_checkpoint_is_read_right_or_passed_over(cut, folder):
    whole = latest(cut[0])

    def case(draw):
        name = damage(cut, folder, draw)

        def act():
            if not (found := taken(folder)):
                return "passed over"
            assert (found.step, found.rows) == (whole.step, whole.rows)
            assert save(found.tensors) == save(whole.tensors)
            return "read"

        return name, act

    assert fuzz("a checkpoint", case)["passed over"] > 1 / 2


def test_a_changed_checkpoint_that_is_resealed_is_one_of_this_run_or_passed_over(cut, folder):
    facts_name, tensors_name = cut[1]
    facts = json.loads((cut[0] / facts_name).read_text())
    content_before = (cut[0] / tensors_name).read_bytes()
    whole = load(content_before)
    steps = [row["step"] for row in facts["rows"]]

    def case(draw):
        content, known, step = content_before, facts, facts["step"]
        what = draw.random()
        if what < 0.25:
            kind, content = "header", with_header(content, draw)
        elif what < 0.5:
            kind, tensors = other_tensors(whole, draw)
            content = save(tensors)
        elif what < 0.6:
            kind, content = mutated(content, b"", draw)
        elif what < 0.75:  # with names that agree
            step = draw.choice([0, 1, 2, 4, 5, 7, 8, 9, 10**8])
            kind, known = f"step {step}", facts | {"step": step}
        else:
            kind, known = "rows", changed(facts, draw)
        if isinstance(known, dict):
            known = known | ({} if kind == "rows" else {"tensors": sha256(content)})
            known |= {"sha256": seal(known)}
        for old in folder.glob("checkpoint-*"):
            old.unlink()
        (folder / f"checkpoint-{step:09d}.safetensors").write_bytes(content)
        (folder / f"checkpoint-{step:09d}.json").write_bytes(as_json(known))

        def act():
            if not (found := taken(folder)):
                return "passed over"
            assert found.step == facts["step"]
            assert [row["step"] for row in found.rows] == steps
            assert forms(found.tensors) == forms(whole)
            for name, tensor in found.tensors.items():
                assert tensor.isfinite().all()
                assert tensor.abs().max() <= 1 or not name.startswith("health.")
                assert tensor.min() >= 0 or not name.endswith(".exp_avg_sq")
                assert tensor == facts["step"] if name.endswith(".step") else True
            return "taken"

        return kind, act

    assert set(fuzz("a checkpoint, resealed", case)) == {"taken", "passed over"}


def test_whatever_is_damaged_the_run_ends_as_if_it_had_not_been(cut, corpus, folder, tmp_path):
    runs = folder.parent
    whole = run(SHORT, corpus, tmp_path / "runs" / "whole", CPU, log=lambda line: None)

    def case(draw):
        shutil.rmtree(folder)
        shutil.copytree(cut[0], folder)
        name = damage(cut, folder, draw)

        def act():
            lines = []
            same(run(SHORT, corpus, runs, CPU, log=lines.append), whole)
            assert all(map(one_line, lines))
            return "resumed" if any("resumes" in line for line in lines) else "rebuilt"

        return name, act

    assert fuzz("a checkpoint, then trained to the end", case)["rebuilt"] > 1 / 2
