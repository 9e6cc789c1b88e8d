"""Packaging: the files that say what is needed agree, and the library alone stays light."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import bitnet
import bitnet.committed as committed_module
from bitnet.extras import DISTRIBUTION

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def requirements():
    extras = PROJECT["optional-dependencies"]
    wanted = ("notebooks", "ray", "export", "tracking", "test", "browser")
    lines = PROJECT["dependencies"] + [line for extra in wanted for line in extras[extra]]
    named = {canonicalize_name(r.name): r for r in map(Requirement, lines)}
    return {name: requirement for name, requirement in named.items() if name != DISTRIBUTION}


def test_the_constraints_satisfy_every_requirement():
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split())
    pins = {canonicalize_name(name): version for name, version in pins.items()}
    for name, requirement in requirements().items():
        assert name in pins, f"{name} is not in constraints.txt; run 'make constraints'"
        assert requirement.specifier.contains(pins[name], prereleases=True), name


def test_the_conda_environment_installs_this_package_with_its_extras():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["channels"] == ["conda-forge"]
    conda = {
        Requirement(item).name: item
        for item in environment["dependencies"]
        if isinstance(item, str)
    }
    assert set(conda) == {"python", "pip"}
    low = re.search(r">=([\d.]+)", PROJECT["requires-python"])[1]
    assert f">={low}" in conda["python"]
    (pip,) = [item["pip"] for item in environment["dependencies"] if isinstance(item, dict)]
    assert pip == ["-c constraints.txt", "-e .[test]"]
    assert "test" in PROJECT["optional-dependencies"]


def test_the_packages_of_the_brief_are_required():
    assert {"torch", "jupyterlab", "ipywidgets", "plotly", "papermill", "nbval", "datasets"} <= set(
        requirements()
    )


def test_the_library_alone_does_not_pull_in_jupyter():
    base = {Requirement(line).name for line in PROJECT["dependencies"]}
    heavy = (
        "IPython",
        "ipywidgets",
        "papermill",
        "jupyterlab",
        "datasets",
        "gensim",
        "transformers",
    )
    assert not base & {"jupyterlab", "ipywidgets", "anywidget", "papermill", "nbval", "kaleido"}
    assert not base & {"transformers", "accelerate"}
    code = (
        "import sys, bitnet; from bitnet.display import figures, progress, report; "
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_wheel_has_the_package_and_what_is_committed_beside_it():
    """`make test-wheel` looks into one."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    wheel = build["targets"]["wheel"]
    inside = committed_module._WHEEL.relative_to(ROOT).as_posix()
    assert wheel["sources"] == {name: f"{inside}/{name}" for name in wheel["sources"]}
    assert wheel["only-include"] == ["bitnet", *wheel["sources"]]
    assert all((ROOT / name).is_dir() for name in wheel["sources"])
    modules = (ROOT / "bitnet").rglob("*.py")
    assert all((path.parent / "__init__.py").exists() for path in modules)


def test_every_public_name_is_there():
    assert len(set(bitnet.__all__)) == len(bitnet.__all__)
    assert all(hasattr(bitnet, name) for name in bitnet.__all__)


@pytest.mark.skipif(not shutil.which("git"), reason="git is not there")
def test_a_checkout_is_the_same_bytes_whatever_git_is_told_of_line_ends(tmp_path):
    source, copy = tmp_path / "source", tmp_path / "copy"
    run = ROOT / "results" / "runs" / "l2-0.0-h256-t20000-s0-f7216e2308"
    shutil.copytree(run, source / "results" / "runs" / run.name)
    shutil.copy(ROOT / ".gitattributes", source)

    def git(*words):
        who = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "core.autocrlf=true")
        subprocess.run(["git", *who, *map(str, words)], check=True, capture_output=True)

    git("init", source)
    git("-C", source, "add", ".")
    git("-C", source, "commit", "-m", "runs")
    git("clone", source, copy)
    assert bitnet.History.load(copy / "results" / "runs" / run.name).complete
    assert (copy / ".gitattributes").read_bytes() == (ROOT / ".gitattributes").read_bytes()
