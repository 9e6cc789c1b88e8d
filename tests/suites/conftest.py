"""docs/export.md, run as it stands, in a folder with a text in it."""

import os
import re
import subprocess
import sys
from pathlib import Path

# Before transformers is imported, here and in the commands.
os.environ |= {"HF_HUB_OFFLINE": "1", "TORCHDYNAMO_DISABLE": "1"}

import pytest

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="session")
def page():
    """The code blocks of the page, as (language, code)."""
    return FENCE.findall((ROOT / "docs" / "export.md").read_text())


@pytest.fixture(scope="session")
def commands(page, tmp_path_factory):
    """A folder in which every command of the page was run, with `my.txt`, as from the checkout."""
    folder = tmp_path_factory.mktemp("page")
    for name in ("results", "params"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "my.txt").write_bytes((ROOT / "LICENSE").read_bytes())
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "HF_HOME": str(folder / "cache")}
    for language, code in page:
        if language in ("", "bash"):
            subprocess.run(code, shell=True, check=True, cwd=folder, env=environment)
    return folder
