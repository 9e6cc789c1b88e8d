"""A grid of runs, read from a YAML file and checked as a whole before any of them starts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from bitnet import checks
from bitnet.arms import arm_names
from bitnet.committed import committed
from bitnet.config import BYTES, RunConfig
from bitnet.files import read_bytes
from bitnet.runs.plan import Plan
from bitnet.scales import FULL, SCALES
from bitnet.texts import check_corpus

__all__ = ["Grid", "find_notebook"]

KEYS = ("notebook", "grids")
# The sizes, each with the least that a run allows.
SIZES = {"hidden": 1, "steps": 8, "vocabulary": BYTES, "batch_size": 1, "sequence_length": 2}
LARGEST = 2**18  # bytes of a grid file
GRID_KEYS = ("scale", *SIZES, "arms", "seeds", "order", "corpus")


@dataclass(frozen=True)
class Grid:
    """What a grid file asks for: its runs in their order, each once, and a notebook for each.

    `notebook` is the one to execute, if any; a file may only have one `proposed`, since a notebook
    is code, and whoever starts the sweep has to agree. Seeds vary slowest within each of the file's
    `grids`, so that every arm is there once before any is repeated.
    """

    runs: tuple[RunConfig, ...]
    notebook: Path | None = None
    proposed: Path | None = None

    @classmethod
    def load(cls, path: str | Path, notebook: str | None = None) -> "Grid":
        """The grid of a YAML file, and `notebook`, a path from here ("": none), to be executed.

        The file's own is then forgotten; with None it is proposed.

        Raises: `ParameterError`, one line, for a file that cannot be read and for anything in it
        that is not understood.
        """
        path = _find(checks.path("grid", path))
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
        once = tuple(dict.fromkeys(runs))
        if notebook is not None:
            return cls(once, find_notebook(notebook, Path.cwd()))
        beside = path.resolve().parent
        return cls(once, proposed=find_notebook(values.get("notebook", ""), beside))


def find_notebook(name: object, beside: Path) -> Path | None:
    """The notebook of that name: as given, in the folder `beside`, or in `notebooks` next to it.

    Else the committed one, such as "notebooks/verify.ipynb". None for an empty name.

    Raises: `ParameterError` where there is none.
    """
    if name is None or (isinstance(name, str) and not name):
        return None
    if not isinstance(name, str) or not name.endswith(".ipynb"):
        allowed = "must be the name of an .ipynb file, or empty for none"
        raise checks.ParameterError("notebook", name, allowed)
    next_to_it = beside.parent / "notebooks"
    asked = checks.path("notebook", name)
    for path in (asked, beside / asked, next_to_it / asked, committed(name)):
        if path.is_file():
            return path.resolve()
    allowed = f"no such file here, in {beside} or in {next_to_it}"
    raise checks.ParameterError("notebook", name, allowed)


def _runs(where: str, grid: object) -> list[RunConfig]:
    """The runs of one grid, each as `Plan` makes it, so that notebooks find it by the same name.

    A grid means the same on every machine: without a `scale` it is of the full one.
    """
    if not isinstance(grid, dict):
        raise checks.ParameterError(where, grid, f"must have the keys {', '.join(GRID_KEYS)}")
    for key, value in grid.items():
        checks.choice(f"key of {where}", key, GRID_KEYS)
        if isinstance(value, Mapping) and key != "arms":
            raise checks.ParameterError(f"{where}.{key}", value, "must be one value or a list")
    needed = ("arms",) if "scale" in grid else ("hidden", "steps", "arms")
    missing = [key for key in needed if key not in grid]
    if missing:
        raise checks.ParameterError(where, grid, f"{', '.join(missing)} must be given")
    name = checks.choice(f"{where}.scale", grid.get("scale", FULL.name), tuple(SCALES))

    def several(key: str, value: object, check: Callable[[str, object], Any]) -> list[Any]:
        """One value or a list of them, checked and all different."""
        name = f"{where}.{key}"
        items = [check(name, item) for item in (value if isinstance(value, list) else [value])]
        if not items or len(set(items)) != len(items):
            allowed = "must be one value or a list of different ones"
            raise checks.ParameterError(name, value, allowed)
        return items

    sizes = [
        several(
            key, grid.get(key, getattr(SCALES[name], key)), partial(checks.integer, at_least=least)
        )
        for key, least in SIZES.items()
    ]
    order = several("order", grid.get("order", 0), partial(checks.integer, at_least=0))
    corpus = grid.get("corpus", RunConfig.corpus)
    corpora = several("corpus", corpus, lambda _, value: check_corpus(value))
    arms = arm_names(f"{where}.arms", grid["arms"])
    seeds = checks.seeds(f"{where}.seeds", grid.get("seeds", 0))
    return [
        run
        for seed, at, text, *chosen in product(seeds, order, corpora, *sizes)
        for run in Plan(
            arms=arms,
            seeds=seed,
            corpus=text,
            device="cpu",
            scale=name,
            order=at,
            **dict(zip(SIZES, chosen, strict=True)),
        ).runs
    ]


def _find(path: Path) -> Path:
    """The file of that name here, else the committed one, such as "params/plan.yaml"."""
    there = committed(str(path))
    return there if not path.exists() and there.is_file() else path


class _Loader(yaml.SafeLoader):
    """YAML in which a key may be given once, and nothing stands for something else.

    The plain loader drops all but the last of a key silently. Aliases of aliases make gigabytes of
    a few lines, and no grid needs one.
    """

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            problem = "aliases (*name) are not understood here"
            raise yaml.composer.ComposerError(None, None, problem, mark)
        return super().compose_node(parent, index)

    def compose_mapping_node(self, anchor: dict[str, Any]) -> yaml.MappingNode:
        # Here, before a merge key (<<: {...}) brings in those that may be given again.
        node = super().compose_mapping_node(anchor)
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for key in keys:
            if keys.count(key) > 1:
                problem = f"the key {key!r} is given twice"
                raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return node


def _read(path: Path) -> object:
    try:
        return yaml.load(read_bytes(path.resolve(), LARGEST).decode(), _Loader)
    except OSError as error:
        allowed = f"cannot be read ({error.strerror or error})"
        raise checks.ParameterError("grid", str(path), allowed) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
        allowed = f"is not YAML that can be used: {problem}{place}"
        raise checks.ParameterError("grid", str(path), allowed) from error
