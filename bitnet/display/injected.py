"""What papermill has put into a notebook: a name that the notebook does not know is refused."""

import ast
import difflib
from collections.abc import Sequence

from bitnet.checks import ParameterError

__all__ = ["refuse_unknown"]

INJECTED = "# Parameters"  # how papermill begins the cell that it puts after that of the parameters


def refuse_unknown(cells: Sequence[str] | None = None) -> None:
    """Refuse a parameter that the notebook's own cell of parameters has not.

    `cells` are the sources executed so far; None: those of this kernel, if it is one. The first two
    are the notebook's and papermill's, which itself warns only, and trains the default.

    Raises: `ParameterError` with the nearest name that there is.
    """
    cells = _executed() if cells is None else cells
    own, given = [*[cell for cell in cells if cell.strip()][:2], "", ""][:2]
    if not given.lstrip().startswith(INJECTED):
        return
    known = _assigned(own)
    for name, value in _assigned(given).items():
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1)
            meant = f"; did you mean '{nearest[0]}'?" if nearest else "."
            allowed = f"no such parameter here{meant} There are {', '.join(known)}"
            raise ParameterError(name, value, allowed)


def _executed() -> list[str]:
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    return list(shell.user_ns.get("In", [])) if shell else []


def _assigned(source: str) -> dict[str, object]:
    """The names that a cell assigns to, and the literal values."""
    found: dict[str, object] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name):
                    found[target.id] = _literal(node.value)
    return found


def _literal(node: ast.expr | None) -> object:
    try:
        return ast.literal_eval(node) if node else None
    except ValueError:
        return ast.unparse(node) if node else None
