"""The workflows, which no machine here can run: they parse, and call what is there."""

import os
import re
import shlex
from pathlib import Path

import pytest
import yaml

from bitnet.__main__ import _parser

ROOT = Path(__file__).parent.parent
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def check(command, windows=False):
    """Refuse a command that names what is not there, or what Windows does not have."""
    words = shlex.split(command)
    if words[:2] in (["python", "-m"], [".venv/bin/python", "-m"]):
        assert not (windows and words[0] != "python"), command
        module, rest = words[2], words[3:]
        assert module in ("pip", "pytest", "bitnet"), command
        if module == "bitnet":
            _parser(rest).parse_args(rest)  # exits where it does not understand
        named = [word for word in rest if re.match(r"(tests|params)/|.*\.txt$", word)]
        assert all((ROOT / word).exists() for word in named), command
    elif words[0] == "make":
        assert not windows, command
        assert len(words) == 2 and words[1] in TARGETS, command
    else:
        assert not windows, command
        assert len(words) == 1 and os.access(ROOT / words[0], os.X_OK), command


@pytest.mark.parametrize("path", WORKFLOWS, ids=[path.stem for path in WORKFLOWS])
def test_every_step_calls_what_is_there(path):
    text = path.read_text()
    assert text.startswith("# Not run yet")
    workflow = yaml.safe_load(text)
    assert workflow[True]  # what YAML 1.1 makes of the key `on`
    assert workflow["permissions"]["contents"] == "read"
    for job in workflow["jobs"].values():
        system = job["runs-on"]
        assert system in ("ubuntu-latest", "macos-latest", "windows-latest")
        for step in job["steps"]:
            if "uses" in step:
                assert re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"])
            else:
                check(step["run"], windows=system == "windows-latest")


def test_there_is_a_job_for_each_system_and_one_for_the_site():
    assert [path.stem for path in WORKFLOWS] == ["site", "tests"]
    jobs = yaml.safe_load(WORKFLOWS[1].read_text())["jobs"]
    assert set(jobs) == {"linux", "macos", "windows"}


@pytest.mark.parametrize(
    ("command", "windows"),
    [
        ("make absent", False),
        ("make test", True),
        ("./.ci/absent", False),
        ("./.ci/run", True),
        ("python -m pytest tests/absent", False),
        ("python -m bitnet verify --absent", False),
        (".venv/bin/python -m pytest", True),
    ],
)
def test_a_command_that_is_not_there_is_found(command, windows):
    with pytest.raises((AssertionError, SystemExit)):
        check(command, windows)
