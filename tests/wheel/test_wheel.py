"""The wheel from `make test-wheel`: what is in it, and that its commands answer in any folder."""

import json
import subprocess
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
BESIDE = ("notebooks", "params", "results")
LARGEST = 15 * 2**20  # bytes


@pytest.fixture(scope="session")
def study(run, empty):
    """The report of a short study, and what the command said."""
    words = ("--steps", "16", "--eval-every", "16", "--device", "cpu", "--report-dir", "report")
    return empty / "report", run("bitnet", "verify", *words)


def test_it_holds_what_is_committed_and_no_more():
    (wheel,) = (ROOT / "dist").glob("*.whl")
    held = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("bitnet/")}
    listed = ["git", "-C", str(ROOT), "ls-files", "-z", "--", "bitnet", *BESIDE]
    files = subprocess.run(listed, check=True, capture_output=True, text=True).stdout.split("\0")
    inside = {name for name in files if name.startswith("bitnet/")}
    beside = {f"bitnet/committed_files/{name}" for name in files if name.startswith(BESIDE)}
    assert held == inside | beside
    assert wheel.stat().st_size < LARGEST


def test_what_is_run_is_the_wheel(run, empty):
    assert run("bitnet", "--version") == f"bitnet {VERSION}\n"
    place = run("python", "-c", "import bitnet; print(bitnet.__file__)")
    assert "site-packages" in place
    assert not Path(place.strip()).is_relative_to(ROOT / "bitnet")


def test_the_committed_runs_are_there(run):
    lines = run("bitnet", "runs").splitlines()
    folders = [path for name in ("runs", "miniature-runs") for path in results(name)]
    assert len(lines) == 2 + len(folders)
    assert all(any(line.startswith(path.name) for line in lines) for path in folders)


def results(name):
    return [path for path in (ROOT / "results" / name).iterdir() if path.is_dir()]


def test_a_committed_model_writes(run):
    text = run("bitnet", "generate", "adamw-0.0-h64", "The history of", "--tokens", "12")
    assert len(text) > len("The history of\n") + 12
    code = """
import bitnet
print(bitnet.load("adamw-0.0-h64").generate("The history of", tokens=12))
"""
    assert f"The history of{run('python', '-c', code)}" == text


def test_the_registered_answer_is_that_of_the_checkout(run):
    from bitnet.analysis import answer

    code = "from bitnet.analysis import answer; print(answer.in_words(*answer.registered()))"
    assert run("python", "-c", code) == f"{answer.in_words(*answer.registered())}\n"


def test_the_grids_are_there_under_their_names(run):
    code = """
from bitnet.runs.grid import Grid
print(len(Grid.load("params/plan.yaml", "notebooks/collapse.ipynb").runs))
"""
    assert run("python", "-c", code) == "22\n"


def test_a_study_runs_to_its_verdict_in_an_empty_folder(run, study, empty):
    report, said = study
    facts = json.loads((report / "verdict.json").read_text())
    assert facts["answer"] == "inconclusive"  # of 16 updates
    assert "The registered full runs: works" in " ".join(said.split())
    assert said.endswith(run("bitnet", "verdict", "report"))
    assert len(list((empty / "runs").glob("*/manifest.json"))) == 3
    assert "22 of 22 planned" in " ".join((report / "report.html").read_text().split())
