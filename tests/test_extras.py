"""Extras stay extras: nothing of one is installed, or imported, where nobody asked for it."""

import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bitnet.extras import DISTRIBUTION, remedy

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# Of each extra that a user asks for, the packages and what they are imported as.
PACKAGES = {
    "notebooks": ("jupyterlab", "ipywidgets", "anywidget", "ipykernel", "papermill", "nbval",
                  "kaleido"),
    "ray": ("ray",),
    "tracking": ("tensorboard",),
    "export": ("transformers", "accelerate"),
}  # fmt: skip
BLOCKED = [name for names in PACKAGES.values() for name in names]
# The commands that need one, each with the beginning of the line that it ends in.
NEEDY = {
    ("sweep", "params/miniature.yaml", "--engine", "ray"): ("ParameterError: engine", "ray"),
    ("sweep", "params/miniature.yaml", "--notebook", "notebooks/verify.ipynb"): (
        "ParameterError: notebook",
        "notebooks",
    ),
    ("export", "adamw-0.0-h64", "out"): ("ExportError: an export needs", "export"),
    ("verify", "--tracker", "tensorboard"): ("ParameterError: tracker", "tracking"),
}
WITHOUT = f"""
import sys
from importlib import import_module

class Missing:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in {BLOCKED}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
import bitnet
from bitnet.__main__ import COMMANDS, main
for name in COMMANDS:
    import_module(f"bitnet.commands.{{name.replace('-', '_')}}")
for words in {list(NEEDY)}:
    print(main(list(words)), file=sys.stderr)
"""


def required(lines, extras=()):
    """The names that these requirements name on this machine, with those of `extras`."""
    for requirement in map(Requirement, lines):
        marker = requirement.marker
        if not marker or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield canonicalize_name(requirement.name), requirement.extras


def everything(lines):
    """The names of all packages that pip installs for these requirements."""
    found, left = set(), list(required(lines))
    while left:
        name, extras = left.pop()
        if (name, frozenset(extras)) not in found:
            found.add((name, frozenset(extras)))
            left += required(distribution(name).requires or (), extras)
    return {name for name, _ in found}


def test_the_package_alone_installs_nothing_of_an_extra():
    alone = everything(PROJECT["dependencies"])
    assert {"torch", "sympy", "pyarrow"} <= alone  # what is needed, and what that needs
    assert not alone & set(BLOCKED)
    assert not alone & {"ipython", "notebook", "wandb", "mlflow", "build", "sphinx"}


@pytest.mark.parametrize("extra", PACKAGES)
def test_an_extra_has_its_packages(extra):
    assert set(PACKAGES[extra]) <= set(dict(required(PROJECT["optional-dependencies"][extra])))
    assert PROJECT["name"] == DISTRIBUTION
    assert remedy(extra) == f"install it with: pip install '{DISTRIBUTION}[{extra}]'"


def test_without_extras_all_is_imported_and_what_is_missing_is_one_line(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 2 * len(NEEDY)
    for line, code, (begins, extra) in zip(lines[::2], lines[1::2], NEEDY.values(), strict=True):
        assert line.startswith(begins)
        assert f"pip install '{DISTRIBUTION}[{extra}]'" in line
        assert code == "1"
    assert list(tmp_path.iterdir()) == []
