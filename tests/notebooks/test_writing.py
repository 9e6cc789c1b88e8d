"""How the notebooks are written: cells, prose, parameters, and the outputs that are committed."""

import ast
import json
import re

import papermill
import yaml

from bitnet import Plan
from bitnet.runs.grid import Grid
from bitnet.scales import FULL, scale_of
from tests.support.notebooks import ROOT, VERIFY, code_cells, every_notebook, read, tagged

LONGEST_LINE = 100
MOST_PROSE = 5


@every_notebook
def test_cells_are_short_and_define_nothing(path):
    for cell in code_cells(read(path)):
        assert len(cell.source.splitlines()) <= 15, cell.source
        tree = ast.parse(cell.source)
        defined = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        assert not [node for node in ast.walk(tree) if isinstance(node, defined)], cell.source


@every_notebook
def test_lines_fit_on_a_page(path):
    for cell in read(path).cells:
        assert max(map(len, cell.source.splitlines())) <= LONGEST_LINE, cell.source


@every_notebook
def test_there_is_at_least_as_much_prose_as_code(path):
    notebook = read(path)
    prose = sum(len(cell.source) for cell in notebook.cells if cell.cell_type == "markdown")
    assert prose >= sum(len(cell.source) for cell in code_cells(notebook))


def prose_of(cell):
    """The lines of text of a cell: no headings, no tables, no formulas set apart."""
    text = re.sub(r"\$\$.*?\$\$", "", cell.source, flags=re.DOTALL)
    return [line for line in text.splitlines() if line.strip() and line[0] not in "#|"]


@every_notebook
def test_prose_is_read_at_a_glance(path):
    for cell in read(path).cells:
        if cell.cell_type == "markdown":
            assert len(prose_of(cell)) <= MOST_PROSE, cell.source


@every_notebook
def test_links_lead_somewhere(path):
    prose = "\n".join(c.source for c in read(path).cells if c.cell_type == "markdown")
    links = re.findall(r"\]\(([^)#\s]+)", prose)
    assert links
    for link in links:
        assert link.startswith("http") or (path.parent / link).exists(), link


@every_notebook
def test_committed_outputs_are_whole_small_and_of_no_particular_machine(path):
    notebook = read(path)
    assert path.stat().st_size < 500_000
    assert "widgets" not in notebook.metadata
    executed = all(cell.execution_count for cell in code_cells(notebook))
    assert executed, "committed without having been run"
    outputs = json.dumps([cell.outputs for cell in code_cells(notebook)])
    assert not re.search(r"/(home|root|work|tmp|Users)/", outputs)
    assert "image/jpeg" in outputs, "no picture for a plain page"


@every_notebook
def test_claims_are_there_to_be_compared(path):
    claims = tagged(read(path), "nbval-check-output")
    assert claims
    assert all(cell.outputs and "text" in cell.outputs[0] for cell in claims)


@every_notebook
def test_papermill_lists_every_parameter_with_type_and_help(path):
    (cell,) = tagged(read(path), "parameters")
    names = {line.split(":")[0] for line in cell.source.splitlines()}
    listed = papermill.inspect_notebook(str(path))
    assert set(listed) == names
    assert all(p["inferred_type_name"] != "None" and p["help"] for p in listed.values())


def test_the_parameter_files_are_the_briefs_phases():
    paths = (ROOT / "params").glob("*.yaml")
    files = {path.stem: yaml.safe_load(path.read_text()) for path in paths}
    files = {name: values for name, values in files.items() if "grids" not in values}
    phases = {name: (values["hidden"], values["steps"]) for name, values in files.items()}
    assert phases == {
        "verify-5k": (256, 5000), "verify-256": (256, 20_000), "verify-512": (512, 20_000),
        "verify-768": (768, 30_000),
    }  # fmt: skip
    known = set(papermill.inspect_notebook(str(VERIFY)))
    assert all(set(values) <= known for values in files.values())
    for values in files.values():
        plan = Plan(**values, device="cpu")
        assert plan.scale == "full"  # the brief's sizes, where there is no GPU too
        assert {run.vocabulary for run in plan.runs} == {FULL.vocabulary}


def test_every_other_parameter_file_is_a_grid_of_one_scale():
    scales = {}
    for path in sorted((ROOT / "params").glob("*.yaml")):
        if "grids" in yaml.safe_load(path.read_text()):
            runs = Grid.load(path).runs
            scales[path.stem] = {scale.name if (scale := scale_of(run)) else "" for run in runs}
    assert len(scales.pop("plan-2")) > 1  # the miniature, and vocabularies and batches of others
    assert scales.pop("plan-2-pairs") == {"miniature"}
    assert scales.pop("cure") == {""}  # batches of its own
    assert scales == {
        "gpu": {"full"}, "miniature": {"miniature"}, "plan": {"full"}, "sweep-quick": {"miniature"},
    }  # fmt: skip


def test_the_demonstration_of_a_sweep_shares_its_runs_with_make_verify():
    runs = Grid.load(ROOT / "params" / "sweep-quick.yaml").runs
    verified = Plan(scale="miniature", device="cpu").runs
    assert set(verified) < set(runs)
    assert len(runs) == 5
