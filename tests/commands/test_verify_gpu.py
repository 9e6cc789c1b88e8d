"""`bitnet verify-gpu`: rehearsed on the CPU, refused without a GPU, and told of one in software."""

import zipfile
from tempfile import gettempdir

import pytest

from bitnet.__main__ import main
from bitnet.commands import verify_gpu
from bitnet.display.bundle import read_bundle
from bitnet.evaluation import evaluate
from bitnet.runs.grid import Grid
from bitnet.sweep.here import Here
from bitnet.sweep.runner import Runner
from tests.support.software_gpu import software_gpu

COLD = "a GPU, 550.54, 12288, 80, 60, 1700, 2100, 0x1\n"
HOT = "a GPU, 550.54, 12288, 80, 91, 1100, 2100, 0x40\n"


@pytest.fixture(scope="module")
def plan(lines, tmp_path_factory):
    """A check and a plan so small that they take a second."""
    path = tmp_path_factory.mktemp("plan") / "tiny.yaml"
    sizes = f"hidden: 16, vocabulary: 300, corpus: {lines}"
    path.write_text(
        f"grids:\n  - {{{sizes}, steps: 8, arms: [l2-0.0]}}\n"
        f"  - {{{sizes}, steps: 16, arms: [l2-0.05, l2-0.0]}}\n"
    )
    return path


@pytest.fixture(scope="module")
def rehearsal(plan, tmp_path_factory):
    """The file of a rehearsal, in this process; how long it takes is measured elsewhere."""
    folder = tmp_path_factory.mktemp("ada_lovelace")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verify_gpu, "Pool", lambda jobs, workers, *where: Here(1, *where))
        patch.setattr(Runner, "estimate", lambda self: ["About a minute"])
        patch.setattr(evaluate, "CONTINUATION", 5)  # tokens; they are most of so small a run
        where = ("--runs-dir", str(folder / "runs"), "--to", str(folder / "back.zip"))
        assert main(["verify-gpu", "--plan", str(plan), "--device", "cpu", *where]) == 0
    return folder / "back.zip"


def test_a_rehearsal_trains_the_check_and_the_plan_and_judges_the_plan(rehearsal):
    found = read_bundle(rehearsal)
    runs = [(h.config.arm, h.config.steps, h.status) for h in found.histories]
    assert sorted(runs) == [
        ("l2-0.0", 8, "complete"), ("l2-0.0", 16, "complete"), ("l2-0.05", 16, "complete"),
    ]  # fmt: skip
    assert found.facts["steps"] == 16
    assert found.environment["warnings"] == ["the GPU is not used: runs were trained on the CPU"]


def test_no_path_and_no_name_of_a_user_is_in_the_file(rehearsal, lines):
    private = ["ada_lovelace", str(lines.parent), f"{gettempdir()}/"]
    with zipfile.ZipFile(rehearsal) as archive:
        members = {name: archive.read(name).decode() for name in archive.namelist()}
    for name, text in members.items():
        assert [word for word in private if word in text or word in name] == []
    assert any(f'"{lines.name}"' in text for text in members.values())


def test_on_a_gpu_it_estimates_first_and_says_what_is_wrong(
    plan, rehearsal, tmp_path, monkeypatch, capsys
):
    """A GPU in software, hot, on which nothing is trained: the runs are those of the rehearsal."""
    histories = read_bundle(rehearsal).histories
    looks = iter([COLD, HOT])
    monkeypatch.setattr(verify_gpu, "Pool", lambda jobs, workers, *where: Here(1, *where))
    monkeypatch.setattr(Runner, "estimate", lambda self: ["About a minute"])
    watch = verify_gpu.GpuWatch(lambda: next(looks, ""))
    monkeypatch.setattr(verify_gpu, "GpuWatch", lambda: watch)
    monkeypatch.setattr(verify_gpu, "print_bundle", lambda *_: None)
    packed = []

    def fill(path, histories, findings, environment):
        path.write_bytes(b"filled")
        packed.append(environment)

    def train(runner):
        watch.look()
        return [h for h in histories if h.config.steps == runner.jobs[0].config.steps]

    monkeypatch.setattr(verify_gpu, "train", train)
    monkeypatch.setattr(verify_gpu, "pack", fill)
    where = ("--runs-dir", str(tmp_path / "runs"))
    with software_gpu():
        assert main(["verify-gpu", "--plan", str(plan), *where]) == 0
    said = " ".join(capsys.readouterr().out.split())
    parts = (
        "WARNING: schedule: warm-up takes 2 steps", "About a minute",
        "l2-0.0, hidden 16, vocabulary 300, 8 steps", "more than 50",
        "WARNING: the GPU is not used", "l2-0.0, hidden 16, vocabulary 300, 16 steps",
        "WARNING: the GPU was slowed down by heat in 1 of 2 looks, at up to 91 C",
    )  # fmt: skip
    places = [said.find(part) for part in parts]
    assert -1 not in places, said
    assert places == sorted(places)
    (environment,) = packed
    assert environment["device"] == "a GPU in software"
    assert environment["watched"]["name"] == "a GPU"
    assert (tmp_path / "runs" / "reports" / "gpu-1.zip").exists()


@pytest.mark.parametrize("smi", ["", COLD])
def test_without_a_gpu_it_says_in_one_line_what_to_run_instead(tmp_path, monkeypatch, capsys, smi):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(verify_gpu, "ask_nvidia_smi", lambda: smi)
    assert main(["verify-gpu", "--runs-dir", str(tmp_path / "runs")]) == 1
    said = capsys.readouterr().err
    assert said.startswith("NoGpuError: verify-gpu needs a GPU with CUDA, and torch ")
    assert "`bitnet verify` answers in the miniature" in said
    assert ("install torch for it" in said) == bool(smi)
    assert said.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_a_file_that_is_there_is_refused_before_anything_is_trained(plan, tmp_path, capsys):
    there = tmp_path / "back.zip"
    there.write_bytes(b"finished")
    where = ("--runs-dir", str(tmp_path / "runs"), "--to", str(there))
    assert main(["verify-gpu", "--plan", str(plan), "--device", "cpu", *where]) == 1
    assert "is there already; give another name" in capsys.readouterr().err
    assert there.read_bytes() == b"finished"
    assert not list((tmp_path / "runs").glob("*/manifest.json"))


def test_a_study_that_fails_leaves_no_empty_file(plan, tmp_path, monkeypatch):
    def interrupted(runner):
        raise KeyboardInterrupt

    monkeypatch.setattr(verify_gpu, "train", interrupted)
    monkeypatch.setattr(Runner, "estimate", lambda self: [])
    where = ("--runs-dir", str(tmp_path / "runs"), "--to", str(tmp_path / "back.zip"))
    assert main(["verify-gpu", "--plan", str(plan), "--device", "cpu", *where]) == 130
    assert not (tmp_path / "back.zip").exists()


def test_the_committed_plan_is_what_the_brief_asks_for():
    runs = Grid.load(verify_gpu.PLAN).runs
    sizes = list(dict.fromkeys((run.hidden, run.steps) for run in runs))
    assert sizes == [(256, 5_000), (256, 20_000), (512, 20_000)]
    assert len(runs) == 9
