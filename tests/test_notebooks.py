"""The notebooks: how they are written, run headless from anywhere, refused, and regression-tested so that it can fail."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import pytest

import bitnet

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TINY = {"hidden": 16, "steps": 8, "arms": "l2-0.0"}

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tagged(notebook, tag):
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def run(*command, cwd=ROOT, **environment):
    """A command of this environment, offline."""
    return subprocess.run(
        [sys.executable, "-m", *map(str, command)],
        cwd=cwd, env=os.environ | environment, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip


@every_notebook
def test_cells_are_short_and_define_nothing(path):
    for cell in code_cells(read(path)):
        assert len(cell.source.splitlines()) <= 15, cell.source
        tree = ast.parse(cell.source)
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)], cell.source


@every_notebook
def test_there_is_at_least_as_much_prose_as_code(path):
    notebook = read(path)
    prose = sum(len(cell.source) for cell in notebook.cells if cell.cell_type == "markdown")
    assert prose >= sum(len(cell.source) for cell in code_cells(notebook))


@every_notebook
def test_committed_outputs_are_whole_small_and_of_no_particular_machine(path):
    notebook = read(path)
    assert path.stat().st_size < 500_000
    assert "widgets" not in notebook.metadata
    assert all(cell.execution_count for cell in code_cells(notebook)), "committed without having been run"
    outputs = json.dumps([cell.outputs for cell in code_cells(notebook)])
    assert not re.search(r"/(home|root|work|tmp|Users)/", outputs)
    assert "image/png" in outputs, "no picture for a plain page"


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
    import yaml

    files = {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / "params").glob("*.yaml")}
    files = {name: values for name, values in files.items() if "grids" not in values}  # those are sweeps
    phases = {name: (values["hidden"], values["steps"]) for name, values in files.items()}
    assert phases == {
        "quick": (256, 0), "verify-5k": (256, 5000), "verify-256": (256, 20_000), "verify-512": (512, 20_000),
        "verify-768": (768, 30_000),
    }  # fmt: skip
    known = set(papermill.inspect_notebook(str(ROOT / "notebooks" / "verify.ipynb")))
    assert all(set(values) <= known for values in files.values())


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """verify.ipynb executed in miniature by papermill's command line from the root, with -p; its output and runs folder."""
    folder = tmp_path_factory.mktemp("tiny")
    parameters = [part for name, value in TINY.items() for part in ("-p", name, value)]
    done = run(
        "papermill", "notebooks/verify.ipynb", folder / "out.ipynb", *parameters, "-p", "report_dir", folder / "report",
        BITNET_RUNS=str(folder / "runs"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def test_verify_from_the_root_with_p(tiny):
    facts = json.loads((tiny / "report" / "verdict.json").read_text())
    assert facts["hidden"] == 16
    assert facts["runs"][0]["complete"]
    assert (tiny / "report" / "report.html").exists()
    assert "widgets" not in read(tiny / "out.ipynb").metadata


@pytest.mark.parametrize("place", ["notebooks", "elsewhere"])
def test_verify_with_f_from_other_folders(tiny, tmp_path, place):
    parameters = tmp_path / "params.yaml"
    parameters.write_text(json.dumps(TINY | {"report_dir": str(tmp_path / "report")}))
    source = "verify.ipynb" if place == "notebooks" else ROOT / "notebooks" / "verify.ipynb"
    cwd = ROOT / "notebooks" if place == "notebooks" else tmp_path
    done = run("papermill", source, tmp_path / "out.ipynb", "-f", parameters, cwd=cwd, BITNET_RUNS=str(tiny / "runs"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "report" / "verdict.json").exists()
    assert sorted(p.name for p in cwd.iterdir() if p.name == "runs") == []


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("hidden", "250", "ParameterError: hidden = 250: must be a multiple of 8"),
        ("hidden", "wide", "ParameterError: hidden = 'wide': must be a whole number of at least 1"),
        ("steps", "-1", "ParameterError: steps = -1: must be a whole number of at least 0"),
        ("arms", "l2-0.5", "ParameterError: arms = 'l2-0.5': must be one of"),
        ("corpus", "wikipedia", "ParameterError: corpus = 'wikipedia': must be one of"),
    ],
)
def test_a_bad_parameter_ends_in_one_line(tmp_path, name, value, line):
    done = run(
        "papermill", "notebooks/verify.ipynb", tmp_path / "out.ipynb", "-p", name, value, BITNET_RUNS=str(tmp_path / "runs")
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith(line)
    assert not (tmp_path / "runs").exists()


def nbval(notebook, runs):
    return run(
        "pytest", "--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout", "600", "-p", "no:cacheprovider", notebook,
        cwd=notebook.parent, BITNET_RUNS=str(runs),
    )  # fmt: skip


def test_nbval_passes_and_fails_once_a_claim_is_broken(tiny, tmp_path):
    notebook = read(tiny / "out.ipynb")
    whole, broken = tmp_path / "whole.ipynb", tmp_path / "broken.ipynb"
    nbformat.write(notebook, whole)
    (claim,) = [cell for cell in tagged(notebook, "nbval-check-output") if "verdict:" in cell.outputs[0]["text"]]
    assert "verdict: inconclusive" in claim.outputs[0]["text"]
    claim.outputs[0]["text"] = claim.outputs[0]["text"].replace("inconclusive", "works")
    nbformat.write(notebook, broken)
    assert nbval(whole, tiny / "runs").returncode == 0
    failed = nbval(broken, tiny / "runs")
    assert failed.returncode == 1
    assert "inconclusive" in failed.stdout


@pytest.mark.parametrize("death", ["import os; os.kill(os.getpid(), 9)", "import sys; sys.exit(0)", "1 / 0"])
def test_a_notebook_that_dies_leaves_no_report(tiny, tmp_path, death):
    """Killed kernel, early exit, failed cell: whatever papermill calls it, only the last cell's file counts."""
    notebook = read(tiny / "out.ipynb")
    notebook.cells.insert(-1, nbformat.v4.new_code_cell(death))
    nbformat.write(notebook, tmp_path / "dies.ipynb")
    report = tmp_path / "report"
    shutil.copytree(tiny / "report", report)  # of an earlier, finished study
    run(
        "papermill", tmp_path / "dies.ipynb", tmp_path / "out.ipynb", "-p", "report_dir", report, BITNET_RUNS=str(tiny / "runs")
    )  # fmt: skip
    assert not (report / "verdict.json").exists()
    assert (tmp_path / "report.previous" / "verdict.json").exists()
    assert "no finished report here" in run("bitnet", "verdict", report).stderr


def test_interrupting_the_kernel_leaves_a_run_that_goes_on(tmp_path):
    """Kernel > Interrupt, as JupyterLab does it."""
    from jupyter_client.manager import start_new_kernel

    code = (
        "import bitnet; text = bitnet.load_corpus(say=lambda line: None)\n"
        f"plan = bitnet.Plan(hidden=16, steps=500, arms='l2-0.0', device='cpu', runs_dir={str(tmp_path)!r})\n"
        "bitnet.execute(plan, text, [lambda config, record: print('step', record.step, flush=True)])"
    )
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        client.execute(code)
        printed = ""
        while "step 25" not in printed:
            message = client.get_iopub_msg(timeout=120)
            printed += message["content"].get("text", "")
        manager.interrupt_kernel()
        while "stopped. The same command goes on" not in printed:
            printed += client.get_iopub_msg(timeout=120)["content"].get("text", "")
        assert client.get_shell_msg(timeout=120)["content"]["ename"] == "KeyboardInterrupt"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert bitnet.History.load(next(tmp_path.glob("l2*"))).status == "stopped"
