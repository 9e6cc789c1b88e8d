"""The order of the house, held over the source: who may import whom, and how long things are.

Core (the modules of `bitnet` itself) and runtime come first, then evaluation, runs, analysis and
sweep side by side, hf, diagnosis, display, which does not see hf, the commands, and `__main__`. An
arrow against that order is a failure, wherever in a module it stands.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "bitnet"
SOURCES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path.read_text()
    for path in sorted(PACKAGE.rglob("*.py"))
}
FRONT, MAIN = "bitnet", "bitnet.__main__"
WINGS = (
    "runtime", "evaluation", "runs", "analysis", "sweep", "hf", "diagnosis", "display", "commands",
)  # fmt: skip
MAY_IMPORT = {
    "runtime": {"runtime"},  # and `checks`
    "core": {"core", "runtime"},
    "evaluation": {"core", "runtime", "evaluation"},
    "runs": {"core", "runtime", "evaluation", "runs"},
    "analysis": {"core", "runtime", "evaluation", "runs", "analysis"},
    "sweep": {"core", "runtime", "evaluation", "runs", "sweep"},
    "hf": {"core", "runtime", "evaluation", "runs", "analysis", "hf"},
    "diagnosis": {"core", "runtime", "evaluation", "runs", "analysis", "hf", "diagnosis"},
    "display": {
        "core", "runtime", "evaluation", "runs", "analysis", "sweep", "diagnosis", "display",
    },
}  # fmt: skip
LIBRARY = {"core"} | MAY_IMPORT.keys()
MAY_IMPORT |= {
    "front": LIBRARY,
    "commands": LIBRARY | {"commands"},
    "main": LIBRARY | {"front", "commands"},
}
LONGEST_MODULE, LONGEST_LINE = 250, 100


def wing(module):
    """Where a module lives: "front" is the package's own `__init__`, "core" beside it."""
    module = module.removesuffix(".__init__")
    if module in (FRONT, MAIN):
        return "front" if module == FRONT else "main"
    first = module.split(".")[1]
    return first if first in WINGS else "core"


def imported(source, modules):
    """The modules of this package that a source imports, at its top or anywhere within."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports are not used here"
            # A name that is no module is something in the module that it comes from.
            inner = {f"{node.module}.{name.name}" for name in node.names}
            found |= {name if name in modules else node.module for name in inner}
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            called = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            if called in ("import_module", "__import__"):
                found |= {a.value for a in node.args if isinstance(a, ast.Constant)}
    return {name for name in found if str(name).split(".")[0] == FRONT}


def against_the_order(sources):
    """Every arrow that is not allowed, as (module, what it imports)."""
    modules = {name.removesuffix(".__init__") for name in sources}
    wrong = []
    for module, source in sources.items():
        here = wing(module)
        for target in sorted(imported(source, modules)):
            allowed = wing(target) in MAY_IMPORT[here]
            if here == "runtime" and target == "bitnet.checks":
                allowed = True
            if not allowed:
                wrong.append((module, target))
    return wrong


def private_names_of_torch(source):
    """What a source takes from torch that torch keeps to itself, by an underscore in front."""

    def is_torch(node):
        while isinstance(node, ast.Attribute):
            node = node.value
        return isinstance(node, ast.Name) and node.id == "torch"

    def is_private(name):
        return name.startswith("_") and not name.startswith("__")

    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and is_private(node.attr) and is_torch(node):
            found.add(node.attr)
        elif isinstance(node, ast.Import):
            parts = [name.name.split(".") for name in node.names]
            found |= {p for path in parts if path[0] == "torch" for p in path if is_private(p)}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "torch":
            names = [*node.module.split("."), *(name.name for name in node.names)]
            found |= {name for name in names if is_private(name)}
        elif isinstance(node, ast.Call) and node.args and is_torch(node.args[0]):
            strings = (a.value for a in node.args[1:] if isinstance(a, ast.Constant))
            found |= {s for s in strings if isinstance(s, str) and is_private(s)}
    return found


def long_lines(name, text):
    """The lines that are too long, as name:number."""
    lines = enumerate(text.splitlines(), start=1)
    return [f"{name}:{number}" for number, line in lines if len(line) > LONGEST_LINE]


def other_tests(source):
    """The test files and conftests that a source imports."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{name.name}" for name in node.names}
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
    parts = {part for name in found for part in name.split(".")}
    return {part for part in parts if part == "conftest" or part.startswith("test_")}


def test_imports_point_one_way():
    assert against_the_order(SOURCES) == []


@pytest.mark.parametrize(
    ("module", "line", "target"),
    [
        ("bitnet.train", "from bitnet.evaluation.diversity import Probe", "evaluation.diversity"),
        ("bitnet.train", "import bitnet.evaluation.diversity", "evaluation.diversity"),
        ("bitnet.data", "def f():\n    from bitnet.runs import plan", "runs.plan"),
        ("bitnet.data", "def f():\n    import_module('bitnet.runs.plan')", "runs.plan"),
        ("bitnet.config", "from bitnet import RunConfig", ""),
        ("bitnet.runtime.cpu", "from bitnet.config import RunConfig", "config"),
        ("bitnet.evaluation.weights", "from bitnet.runs.history import History", "runs.history"),
        ("bitnet.runs.run", "from bitnet.analysis import verdict", "analysis.verdict"),
        ("bitnet.runs.run", "from bitnet.sweep import pool", "sweep.pool"),
        ("bitnet.analysis.verdict", "from bitnet.sweep.pool import Pool", "sweep.pool"),
        ("bitnet.analysis.verdict", "from bitnet.display import theme", "display.theme"),
        ("bitnet.sweep.runner", "from bitnet.analysis.verdict import judge", "analysis.verdict"),
        ("bitnet.sweep.runner", "from bitnet.display import tables", "display.tables"),
        ("bitnet.display.report", "from bitnet.commands import verify", "commands.verify"),
        ("bitnet.display.report", "from bitnet.hf.export import export", "hf.export"),
        ("bitnet.hf.card", "from bitnet.display import numbers", "display.numbers"),
        ("bitnet.hf.card", "from bitnet.diagnosis.look import glance", "diagnosis.look"),
        ("bitnet.diagnosis.look", "from bitnet.display import numbers", "display.numbers"),
        ("bitnet.diagnosis.watch", "from bitnet.sweep import pool", "sweep.pool"),
        ("bitnet.display.report", "from bitnet.__main__ import main", "__main__"),
        ("bitnet.__init__", "from bitnet.__main__ import main", "__main__"),
        ("bitnet.sweep.__init__", "from bitnet.display import theme", "display.theme"),
    ],
)
def test_an_import_against_the_order_is_found(module, line, target):
    assert module in SOURCES
    sources = SOURCES | {module: f"{SOURCES[module]}\n{line}\n"}
    assert against_the_order(sources) == [(module, f"bitnet.{target}".rstrip("."))]


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("bitnet.runtime.cpu", "from bitnet import checks"),
        ("bitnet.train", "from bitnet.runtime.backend import Backend"),
        ("bitnet.display.report", "from bitnet.analysis.verdict import judge"),
        ("bitnet.display.live", "from bitnet.sweep.study import train"),
        ("bitnet.commands.verify", "from bitnet.display.report import write_report"),
        ("bitnet.__main__", "from bitnet import judge"),
        ("bitnet.train", "from torch import Tensor\nimport math"),
    ],
)
def test_an_import_along_the_order_is_allowed(module, line):
    assert against_the_order(SOURCES | {module: f"{SOURCES[module]}\n{line}\n"}) == []


def test_the_trainer_imports_no_measure():
    modules = {name.removesuffix(".__init__") for name in SOURCES}
    wings = {wing(name) for name in imported(SOURCES["bitnet.train"], modules)}
    assert wings == {"core", "runtime"}


def test_every_folder_is_a_wing():
    folders = {path.parent.name for path in PACKAGE.glob("*/*.py")}
    assert folders == set(WINGS)


def test_what_torch_keeps_to_itself_is_used_in_one_file_only():
    users = {module for module, source in SOURCES.items() if private_names_of_torch(source)}
    assert users == {"bitnet.runtime.cpu"}


@pytest.mark.parametrize(
    "line",
    [
        "torch._foreach_norm(gradients)",
        "torch.ops.mkldnn._linear_pointwise(a, b)",
        "torch.cpu._is_amx_tile_supported()",
        "getattr(torch.cpu, '_is_amx_tile_supported', None)",
        "import torch._dynamo",
        "from torch._dynamo import config",
        "from torch.utils import _pytree",
    ],
)
def test_a_private_name_of_torch_is_found(line):
    assert private_names_of_torch(f"import torch\n{line}\n")
    assert not private_names_of_torch("import torch\ntorch.nn.init.kaiming_uniform_(w, a=w._x)\n")


def test_no_module_is_too_long_to_read():
    lengths = {module: len(source.splitlines()) for module, source in SOURCES.items()}
    assert {m: n for m, n in lengths.items() if n > LONGEST_MODULE} == {}


def test_no_line_is_too_long_to_read():
    folders = ("bitnet", "tests", "benchmarks")
    files = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    assert len(files) > 80
    found = (long_lines(path.relative_to(ROOT), path.read_text()) for path in files)
    assert [line for lines in found for line in lines] == []
    assert long_lines("a.py", f"{'x' * 100}\n{'x' * 101}\n") == ["a.py:2"]


def test_no_test_imports_another():
    """What several of them need is in `tests.support`, or a fixture."""
    for path in sorted((ROOT / "tests").rglob("*.py")):
        assert not other_tests(path.read_text()), path
    assert other_tests("from tests.runs.test_run import CONFIG") == {"test_run"}
    assert other_tests("import conftest\nfrom tests.runs import test_run") == {
        "conftest", "test_run",
    }  # fmt: skip
