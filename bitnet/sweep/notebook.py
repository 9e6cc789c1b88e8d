"""A parameterized notebook, executed by papermill; it has its name only if it ran to its end."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bitnet.checks import OneLineError, ParameterError, first_line
from bitnet.extras import remedy
from bitnet.files import check_way

__all__ = ["NotebookError", "check_notebook", "execute_notebook"]

REQUIRED = ("hidden", "steps", "arms", "seeds", "corpus", "runs_dir")
QUIET = ["--IPKernelApp.log_level=40"]  # a kernel's warnings would go through the live table


class NotebookError(OneLineError, RuntimeError):
    """A notebook did not run to its end; the message names the cell, the reason, and the file."""


def check_notebook(path: Path) -> set[str]:
    """The names of a notebook's parameters.

    Raises: `ParameterError` where papermill is missing, the file is no notebook, or it cannot be
    told which run to load.
    """
    papermill = _papermill()
    try:
        names = set(papermill.inspect_notebook(str(path)))
    except Exception as error:  # whatever nbformat and papermill raise, it cannot be executed
        allowed = f"is not a notebook that papermill can read ({first_line(error)})"
        raise ParameterError("notebook", str(path), allowed) from error
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        allowed = f"its cell tagged 'parameters' must have {', '.join(missing)}"
        raise ParameterError("notebook", str(path), allowed)
    return names


def execute_notebook(
    source: Path, target: Path, parameters: Mapping[str, Any], root: Path | None = None
) -> None:
    """Execute `source` with those of `parameters` that it has; the result is `target`.

    Below `root`, by default the target's folder, no link is followed.

    Raises: `OSError` for one; `NotebookError` where it did not run to its end; what there is of it
    is then kept as TARGET.failed.ipynb.
    """
    papermill = _papermill()
    names = check_notebook(source)
    partial = target.with_suffix(".failed.ipynb")
    for path in (target, partial):
        check_way(root or target.parent, path)
    partial.parent.mkdir(parents=True, exist_ok=True)
    # The kernel of this environment, not of the user's folder.
    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")
    given = {name: value for name, value in parameters.items() if name in names}
    try:
        notebook = papermill.execute_notebook(
            str(source), str(partial), given, progress_bar=False, extra_arguments=QUIET
        )
    except papermill.PapermillExecutionError as error:
        problem = f"cell {error.exec_count}: {error.ename}: {error.evalue}".partition("\n")[0]
        raise NotebookError(f"{source.name}, {problem} (kept in {partial})") from error
    except Exception as error:  # a kernel that died or never came
        problem = f"{type(error).__name__}: {first_line(error)}"
        raise NotebookError(f"{source.name}, {problem} (kept in {partial})") from error
    # sys.exit(0) in a cell ends the notebook there, and papermill calls that a success.
    for cell in notebook.cells:
        outputs = cell.outputs if cell.cell_type == "code" else ()
        if any(output.output_type == "error" for output in outputs):
            problem = f"cell {cell.execution_count} ended it early"
            raise NotebookError(f"{source.name}, {problem} (kept in {partial})")
    partial.replace(target)


def _papermill() -> Any:
    try:
        import papermill
    except ImportError as error:
        needed = f"needs papermill; {remedy('notebooks')}"
        raise ParameterError("notebook", "papermill", needed) from error
    return papermill
