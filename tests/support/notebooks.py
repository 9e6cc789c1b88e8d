"""The notebooks, read, and executed as people do: by papermill, by nbval, cell by cell."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
VERIFY = ROOT / "notebooks" / "verify.ipynb"
# Only this environment's programs: figures are then stored without a picture, which saves seconds.
NO_BROWSER = str(Path(sys.executable).parent)

SMALL = {"scale": "miniature", "hidden": 16, "steps": 8, "vocabulary": 300}
TINY = {
    "verify": SMALL | {"arms": "l2-0.0", "eval_every": 8, "probe_positions": 64},
    "collapse": SMALL | {"arms": "l2-0.0,adamw-0.0"},
    "wd_fix": SMALL | {"arms": "l2-0.05,l2-0.0", "seeds": "0,1"},
    "root_cause": SMALL | {"changes": "l2-blocks-0.0"},
    "decode": SMALL | {"arms": "l2-0.0", "new_tokens": 8},
    "scaling": {"measure": "unique_tokens", "log": False},  # loads the committed runs
}

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tagged(notebook, tag):
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def plan_of(path):
    """The plan that a notebook makes of its own parameters; None where it trains nothing."""
    cells = code_cells(read(path))
    if not any("LiveTraining(" in cell.source for cell in cells):
        return None
    names = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bitnet.display.figures.set_renderer", lambda: None)
        while "plan" not in names:
            exec(cells.pop(0).source, names)
    return names["plan"]


def run(*command, cwd=ROOT, **environment):
    """A command of this environment, offline."""
    return subprocess.run(
        [sys.executable, "-m", *map(str, command)],
        cwd=cwd, env=os.environ | environment, capture_output=True, text=True, timeout=600,
        check=False,
    )  # fmt: skip


def papermill(source, target, *options):
    """papermill's command, in this process: to start one for each notebook takes a second more.

    Raises: what the command would end with.
    """
    from papermill.cli import papermill as command

    options = [source, target, "--no-progress-bar", "--log-level", "ERROR", *options]
    command.main([str(option) for option in options], standalone_mode=False)


def as_options(parameters):
    """Parameters as papermill's command line takes them."""
    return [part for name, value in parameters.items() for part in ("-p", name, value)]


def report_in(folder, path):
    """The parameter that keeps verify's report in a folder; the other notebooks write none."""
    return {"report_dir": folder / "report"} if path == VERIFY else {}


def nbval(notebook):
    """What nbval says of a notebook."""
    options = ("--nbval-lax", "--nbval-current-env", "-p", "no:cacheprovider")
    return run("pytest", *options, notebook, cwd=notebook.parent).stdout
