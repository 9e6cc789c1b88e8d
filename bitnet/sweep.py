"""A sweep: one or several grids of runs, read from a YAML file and checked as a whole before any of them starts."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from bitnet import checks
from bitnet.arms import ARMS
from bitnet.config import RunConfig
from bitnet.data import check_corpus
from bitnet.plan import Plan

__all__ = ["Sweep", "find_notebook"]

KEYS = ("notebook", "grids")
GRID_KEYS = ("hidden", "steps", "arms", "seeds", "corpus")


@dataclass(frozen=True)
class Sweep:
    """What a plan file asks for: its runs in the order of execution, each once, and the notebook to execute for each.

    `notebook` is None where there is none. Seeds vary slowest within a grid, so that every arm is there once before any
    is repeated.
    """

    runs: tuple[RunConfig, ...]
    notebook: Path | None = None

    @classmethod
    def load(cls, path: str | Path, notebook: str | None = None) -> "Sweep":
        """The sweep of a YAML file; `notebook` is taken instead of the file's own if it is not None.

        Errors: `ParameterError`, one line, for a file that cannot be read and for anything in it that is not understood.
        """
        path = Path(path).expanduser()
        values = _read(path)
        if not isinstance(values, dict):
            raise checks.ParameterError("plan", str(path), f"must hold the keys {', '.join(KEYS)}")
        for key in values:
            checks.choice("key", key, KEYS)
        grids = values.get("grids")
        if not isinstance(grids, list) or not grids:
            raise checks.ParameterError("grids", grids, f"must be a list of grids, each with {', '.join(GRID_KEYS)}")
        runs = [run for index, grid in enumerate(grids) for run in _runs(f"grids[{index}]", grid)]
        wanted = values.get("notebook", "") if notebook is None else notebook
        return cls(tuple(dict.fromkeys(runs)), find_notebook(wanted, path.resolve().parent))


def find_notebook(name: object, beside: Path) -> Path | None:
    """The notebook of that name: as given, or in the folder `beside` or in `notebooks` next to it; None for an empty name.

    Errors: `ParameterError` where there is none.
    """
    if name is None or name == "":
        return None
    if not isinstance(name, str) or not name.endswith(".ipynb"):
        raise checks.ParameterError("notebook", name, "must be the name of an .ipynb file, or empty for none")
    for path in (Path(name).expanduser(), beside / name, beside.parent / "notebooks" / name):
        if path.is_file():
            return path.resolve()
    raise checks.ParameterError("notebook", name, f"no such file here, in {beside} or in {beside.parent / 'notebooks'}")


def _runs(where: str, grid: object) -> list[RunConfig]:
    """The runs of one grid, each as `Plan` makes it, so that the notebooks find it under the same name."""
    if not isinstance(grid, dict):
        raise checks.ParameterError(where, grid, f"must have the keys {', '.join(GRID_KEYS)}")
    for key, value in grid.items():
        checks.choice(f"key of {where}", key, GRID_KEYS)
        if isinstance(value, Mapping):
            raise checks.ParameterError(f"{where}.{key}", value, "must be one value or a list of them")
    missing = [key for key in ("hidden", "steps", "arms") if key not in grid]
    if missing:
        raise checks.ParameterError(where, grid, f"{', '.join(missing)} must be given")
    hidden = _several(f"{where}.hidden", grid["hidden"], lambda name, value: checks.integer(name, value, 1))
    steps = _several(f"{where}.steps", grid["steps"], lambda name, value: checks.integer(name, value, 8))
    corpora = _several(f"{where}.corpus", grid.get("corpus", "wikipedia-sample"), lambda _, value: check_corpus(value))
    arms = checks.names(f"{where}.arms", grid["arms"], tuple(ARMS))
    seeds = checks.seeds(f"{where}.seeds", grid.get("seeds", 0))
    return [
        run
        for seed, corpus, size, length in product(seeds, corpora, hidden, steps)
        for run in Plan(size, length, arms, seed, corpus, device="cpu").runs
    ]


def _several(name: str, value: object, check: Callable[[str, object], Any]) -> list[Any]:
    """One value or a list of them, checked and all different."""
    items = [check(name, item) for item in (value if isinstance(value, list) else [value])]
    if not items or len(set(items)) != len(items):
        raise checks.ParameterError(name, value, "must be one value or a list of different ones")
    return items


class _Loader(yaml.SafeLoader):
    """YAML in which a key may be given once; the plain loader takes the last and drops the others silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} is given twice", node.start_mark)
        return super().construct_mapping(node, deep)


def _read(path: Path) -> object:
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise checks.ParameterError("plan", str(path), f"cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise checks.ParameterError("plan", str(path), f"is not YAML that can be used: {problem}{place}") from error
