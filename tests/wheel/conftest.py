"""An empty folder, and the commands of an environment that has the wheel alone: make test-wheel."""

import os
import subprocess
from pathlib import Path

import pytest

ENVIRONMENT = Path(os.environ["BITNET_WHEEL_ENVIRONMENT"]).resolve()
# Nothing of the checkout, and no way out of this machine.
HIDDEN = ("PYTHONPATH", "BITNET_RUNS", "VIRTUAL_ENV")
NOWHERE = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "127.0.0.1:9")


@pytest.fixture(scope="session")
def empty(tmp_path_factory):
    """A folder, empty at first."""
    return tmp_path_factory.mktemp("empty")


@pytest.fixture(scope="session")
def run(empty):
    """A function that runs a program of the environment in that folder; what it prints."""
    kept = {name: value for name, value in os.environ.items() if name not in HIDDEN}

    def call(program, *words):
        command = [str(ENVIRONMENT / "bin" / program), *words]
        done = subprocess.run(
            command, cwd=empty, env=kept | NOWHERE | {"COLUMNS": "200"}, capture_output=True,
            text=True,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    return call
