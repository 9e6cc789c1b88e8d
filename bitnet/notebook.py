"""A parameterized notebook, executed through papermill and kept only under its name if it ran to its end."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bitnet.checks import OneLineError, ParameterError

__all__ = ["NotebookError", "check_notebook", "execute_notebook"]

REQUIRED = ("hidden", "steps", "arms", "seeds", "corpus", "runs_dir")
QUIET = ["--IPKernelApp.log_level=40"]  # a kernel's warnings would go through the live table


class NotebookError(OneLineError, RuntimeError):
    """A notebook did not run to its end; the message names the cell, the reason, and the file to look at."""


def check_notebook(path: Path) -> set[str]:
    """The names of a notebook's parameters.

    Errors: `ParameterError` where papermill is missing, the file is no notebook, or it cannot be told which run to read.
    """
    papermill = _papermill()
    try:
        names = set(papermill.inspect_notebook(str(path)))
    except Exception as error:  # whatever nbformat and papermill raise, it is no notebook to execute
        problem = str(error).partition("\n")[0] or type(error).__name__
        raise ParameterError("notebook", str(path), f"is not a notebook that papermill can read ({problem})") from error
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise ParameterError("notebook", str(path), f"its cell tagged 'parameters' must have {', '.join(missing)}")
    return names


def execute_notebook(source: Path, target: Path, parameters: Mapping[str, Any]) -> None:
    """Execute `source` with those of `parameters` that it has; the result is `target`.

    Errors: `NotebookError` where it did not run to its end; what there is of it is then kept as TARGET.failed.ipynb.
    """
    papermill = _papermill()
    names = check_notebook(source)
    partial = target.with_suffix(".failed.ipynb")
    partial.parent.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")  # the kernel of this environment, not of the user's folder
    given = {name: value for name, value in parameters.items() if name in names}
    try:
        notebook = papermill.execute_notebook(str(source), str(partial), given, progress_bar=False, extra_arguments=QUIET)
    except papermill.PapermillExecutionError as error:
        problem = f"cell {error.exec_count}: {error.ename}: {error.evalue}".partition("\n")[0]
        raise NotebookError(f"{source.name}, {problem} (kept in {partial})") from error
    except Exception as error:  # a kernel that died or never came
        problem = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise NotebookError(f"{source.name}, {problem} (kept in {partial})") from error
    # sys.exit(0) in a cell ends the notebook there, and papermill calls that a success.
    for cell in notebook.cells:
        if cell.cell_type == "code" and any(output.output_type == "error" for output in cell.outputs):
            raise NotebookError(f"{source.name}, cell {cell.execution_count} ended it early (kept in {partial})")
    partial.replace(target)


def _papermill() -> Any:
    try:
        import papermill
    except ImportError as error:
        remedy = "needs papermill; install the notebooks' packages with: pip install 'bitnet[notebooks]'"
        raise ParameterError("notebook", "papermill", remedy) from error
    return papermill
