"""A grid of runs, read from a YAML file and checked as a whole before any of them starts."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from bitnet import checks
from bitnet.config import RunConfig
from bitnet.recipes import arm_names
from bitnet.runs.plan import Plan
from bitnet.texts import check_corpus

__all__ = ["Grid", "find_notebook"]

KEYS = ("notebook", "grids")
GRID_KEYS = ("hidden", "steps", "arms", "seeds", "corpus")


@dataclass(frozen=True)
class Grid:
    """What a grid file asks for: its runs in their order, each once, and a notebook for each.

    `notebook` is None where there is none. Seeds vary slowest within each of the file's `grids`, so
    that every arm is there once before any is repeated.
    """

    runs: tuple[RunConfig, ...]
    notebook: Path | None = None

    @classmethod
    def load(cls, path: str | Path, notebook: str | None = None) -> "Grid":
        """The grid of a YAML file; `notebook`, if not None, is taken instead of the file's own.

        Raises: `ParameterError`, one line, for a file that cannot be read and for anything in it
        that is not understood.
        """
        path = Path(path).expanduser()
        values = _read(path)
        if not isinstance(values, dict):
            raise checks.ParameterError("grid", str(path), f"must hold the keys {', '.join(KEYS)}")
        for key in values:
            checks.choice("key", key, KEYS)
        grids = values.get("grids")
        if not isinstance(grids, list) or not grids:
            allowed = f"must be a list of grids, each with {', '.join(GRID_KEYS)}"
            raise checks.ParameterError("grids", grids, allowed)
        runs = [run for index, grid in enumerate(grids) for run in _runs(f"grids[{index}]", grid)]
        wanted = values.get("notebook", "") if notebook is None else notebook
        return cls(tuple(dict.fromkeys(runs)), find_notebook(wanted, path.resolve().parent))


def find_notebook(name: object, beside: Path) -> Path | None:
    """The notebook of that name: as given, in the folder `beside`, or in `notebooks` next to it.

    None for an empty name. Raises: `ParameterError` where there is none.
    """
    if name is None or name == "":
        return None
    if not isinstance(name, str) or not name.endswith(".ipynb"):
        allowed = "must be the name of an .ipynb file, or empty for none"
        raise checks.ParameterError("notebook", name, allowed)
    next_to_it = beside.parent / "notebooks"
    for path in (Path(name).expanduser(), beside / name, next_to_it / name):
        if path.is_file():
            return path.resolve()
    allowed = f"no such file here, in {beside} or in {next_to_it}"
    raise checks.ParameterError("notebook", name, allowed)


def _runs(where: str, grid: object) -> list[RunConfig]:
    """The runs of one grid, each as `Plan` makes it, so that notebooks find it by the same name."""
    if not isinstance(grid, dict):
        raise checks.ParameterError(where, grid, f"must have the keys {', '.join(GRID_KEYS)}")
    for key, value in grid.items():
        checks.choice(f"key of {where}", key, GRID_KEYS)
        if isinstance(value, Mapping) and key != "arms":
            raise checks.ParameterError(f"{where}.{key}", value, "must be one value or a list")
    missing = [key for key in ("hidden", "steps", "arms") if key not in grid]
    if missing:
        raise checks.ParameterError(where, grid, f"{', '.join(missing)} must be given")

    def several(key: str, value: object, check: Callable[[str, object], Any]) -> list[Any]:
        """One value or a list of them, checked and all different."""
        name = f"{where}.{key}"
        items = [check(name, item) for item in (value if isinstance(value, list) else [value])]
        if not items or len(set(items)) != len(items):
            allowed = "must be one value or a list of different ones"
            raise checks.ParameterError(name, value, allowed)
        return items

    hidden = several("hidden", grid["hidden"], lambda name, value: checks.integer(name, value, 1))
    steps = several("steps", grid["steps"], lambda name, value: checks.integer(name, value, 8))
    corpus = grid.get("corpus", RunConfig.corpus)
    corpora = several("corpus", corpus, lambda _, value: check_corpus(value))
    arms = arm_names(f"{where}.arms", grid["arms"])
    seeds = checks.seeds(f"{where}.seeds", grid.get("seeds", 0))
    return [
        run
        for seed, text, size, length in product(seeds, corpora, hidden, steps)
        for run in Plan(size, length, arms, seed, text, device="cpu").runs
    ]


class _Loader(yaml.SafeLoader):
    """YAML in which a key may be given once; the plain loader drops all but the last silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                problem = f"the key {key!r} is given twice"
                raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return super().construct_mapping(node, deep)


def _read(path: Path) -> object:
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        allowed = f"cannot be read ({error.strerror})"
        raise checks.ParameterError("grid", str(path), allowed) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
        allowed = f"is not YAML that can be used: {problem}{place}"
        raise checks.ParameterError("grid", str(path), allowed) from error
