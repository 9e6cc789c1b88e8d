"""The notebooks: how they are written, run headless from anywhere, refused, and regression-tested so that it can fail."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import filelock
import nbformat
import papermill
import pytest

import bitnet
from bitnet.checks import OneLineError

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
VERIFY = ROOT / "notebooks" / "verify.ipynb"
SMALL = {"hidden": 16, "steps": 8}
TINY = {
    "verify": SMALL | {"arms": "l2-0.0"},
    "collapse": SMALL | {"arms": "l2-0.0,adamw-0.0"},
    "wd_fix": SMALL | {"arms": "l2-0.05,l2-0.0", "seeds": "0,1"},
    "root_cause": SMALL | {"decays": "0,0.1", "changes": "l2-blocks-0.0", "probe_positions": 64},
    "decode": SMALL | {"arms": "l2-0.0,adamw-0.0", "new_tokens": 8},
    "scaling": {"measure": "unique_tokens", "log": False},  # reads the committed runs
}

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


def as_options(parameters):
    return [part for name, value in parameters.items() for part in ("-p", name, value)]


def papermill_run(path, folder, *more, cwd=ROOT, runs, **environment):
    """Execute a notebook by papermill's command line; verify's report goes to `folder` too."""
    report = ("-p", "report_dir", folder / "report") if path.stem == "verify" else ()
    return run("papermill", path, folder / f"{path.stem}.ipynb", *report, *more, cwd=cwd, BITNET_RUNS=str(runs), **environment)


@pytest.fixture(scope="session")
def shared_runs(tmp_path_factory, worker_id):
    """The runs of all miniatures, shared by the processes that test side by side."""
    folder = tmp_path_factory.getbasetemp()
    return (folder if worker_id == "master" else folder.parent) / "miniatures" / "runs"


@pytest.fixture
def miniature(shared_runs):
    """A function of a notebook's path: its miniature, executed once by papermill from the root with -p."""

    def executed(path):
        done = shared_runs.parent / path.name
        shared_runs.parent.mkdir(exist_ok=True)
        with filelock.FileLock(shared_runs.parent / f"{path.stem}.lock"):
            if not done.exists():
                folder = shared_runs.parent / f"{path.stem}.tmp"
                folder.mkdir()
                result = papermill_run(Path("notebooks") / path.name, folder, *as_options(TINY[path.stem]), runs=shared_runs)
                assert result.returncode == 0, result.stderr
                if path.stem == "verify":  # a copy, since whoever executes the miniature again retires its report first
                    shutil.copytree(folder / "report", shared_runs.parent / "verify.report")
                (folder / path.name).rename(done)
        return done

    return executed


@every_notebook
def test_papermill_with_p_from_the_root(miniature, path):
    notebook = read(miniature(path))
    assert all(cell.execution_count for cell in code_cells(notebook))
    assert "widgets" not in notebook.metadata
    outputs = json.dumps([cell.outputs for cell in code_cells(notebook)])
    assert "FigureWidget" not in outputs, "a live figure in a saved notebook"


def test_verify_writes_its_report(miniature, shared_runs):
    miniature(VERIFY)
    report = shared_runs.parent / "verify.report"
    facts = json.loads((report / "verdict.json").read_text())
    assert facts["hidden"] == 16
    assert facts["runs"][0]["complete"]
    assert (report / "report.html").exists()


@pytest.mark.parametrize("place", ["notebooks", "elsewhere"])
@every_notebook
def test_papermill_with_f_from_other_folders(shared_runs, tmp_path, path, place):
    parameters = tmp_path / "params.yaml"
    parameters.write_text(json.dumps(TINY[path.stem]))
    cwd = ROOT / "notebooks" if place == "notebooks" else tmp_path
    source = Path(path.name) if place == "notebooks" else path
    no_browser = str(Path(sys.executable).parent)  # only this environment's programs: figures are stored without a picture
    done = papermill_run(source, tmp_path, "-f", parameters, cwd=cwd, runs=shared_runs, PATH=no_browser)
    assert done.returncode == 0, done.stderr
    assert "image/png" not in (tmp_path / path.name).read_text()
    assert (tmp_path / "report" / "verdict.json").exists() == (path.stem == "verify")
    assert [p for p in cwd.iterdir() if p.name == "runs"] == []


REFUSALS = [
    ("verify", "hidden", 250, "ParameterError: hidden = 250: must be a multiple of 8"),
    ("verify", "hidden", "wide", "ParameterError: hidden = 'wide': must be a whole number of at least 1"),
    ("verify", "steps", -1, "ParameterError: steps = -1: must be a whole number of at least 0"),
    ("verify", "arms", "l2-0.5", "ParameterError: arms = 'l2-0.5': must be one of"),
    ("verify", "corpus", "wikipedia", "ParameterError: corpus = 'wikipedia': must be one of"),
    ("collapse", "eval_every", "often", "ParameterError: eval_every = 'often': must be a whole number of at least 0"),
    ("wd_fix", "seeds", "0,0", "ParameterError: seeds = '0,0': must be one or more different whole numbers"),
    ("root_cause", "decays", 0.2, "ParameterError: decays = '0.2': must be one of 0, 0.001, 0.01, 0.05, 0.1"),
    ("root_cause", "changes", "l2-block-0.0", "ParameterError: changes = 'l2-block-0.0': must be one of"),
    ("root_cause", "probe_positions", 0, "ParameterError: probe_positions = 0: must be a whole number of at least 1"),
    ("decode", "top_p", 1.5, "ParameterError: top_p = 1.5: must be a number from 1e-06 to 1.0"),
    ("decode", "temperature", "hot", "ParameterError: temperature = 'hot': must be a number of at least 0.0"),
    ("scaling", "measure", "unique", "ParameterError: measure = 'unique': must be one of"),
    ("scaling", "log", "sometimes", "ParameterError: log = 'sometimes': must be"),
    ("scaling", "plan", "nowhere.yaml", "ParameterError: plan = 'nowhere.yaml': cannot be read"),
    ("scaling", "runs_dir", "nowhere", "HistoryError: nowhere: holds no readable run of this sweep"),
    ("decode", "prompts", "|", "ParameterError: prompts = '|': must be one or more texts"),
]


@pytest.mark.parametrize(("notebook", "name", "value", "line"), REFUSALS)
def test_a_bad_parameter_is_refused_in_one_line_before_any_work(tmp_path, monkeypatch, notebook, name, value, line):
    """The notebook's own cells up to its run, as they stand, in this process."""
    monkeypatch.setenv("BITNET_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr("bitnet.plots.set_renderer", lambda: None)
    names = {}
    with pytest.raises(OneLineError) as refusal:
        for cell in code_cells(read(ROOT / "notebooks" / f"{notebook}.ipynb")):
            assert "histories = await" not in cell.source, "not refused before the run"
            exec(cell.source, names)
            if "parameters" in cell.metadata.get("tags", []):
                assert name in names
                names[name] = value
    assert f"{type(refusal.value).__name__}: {refusal.value}".startswith(line)
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "runs").exists()


@every_notebook
def test_papermill_ends_in_that_line(tmp_path, path):
    _, name, value, line = next(case for case in REFUSALS if case[0] == path.stem)
    done = papermill_run(path, tmp_path, "-p", name, value, runs=tmp_path / "runs")
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith(line)
    assert not (tmp_path / "runs").exists()


def nbval(notebook, runs):
    return run(
        "pytest", "--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout", "600", "-p", "no:cacheprovider", notebook,
        cwd=notebook.parent, BITNET_RUNS=str(runs),
    )  # fmt: skip


@every_notebook
def test_nbval_passes_and_fails_on_every_broken_claim(miniature, shared_runs, tmp_path, path):
    """The notebook as it is, and after its claims a copy of them for every line, in which that line is changed."""
    notebook = read(miniature(path))
    cells = len(code_cells(notebook))
    broken = 0
    for index, cell in reversed([*enumerate(notebook.cells)]):
        if cell not in tagged(notebook, "nbval-check-output"):
            continue
        copies = []
        # A busy kernel may send what a cell prints in several pieces.
        lines = "".join(output["text"] for output in cell.outputs).splitlines(keepends=True)
        for number, line in enumerate(lines):
            copy = nbformat.from_dict(cell | {"id": f"broken-{index}-{number}"})
            changed = line.replace("True", "Fals").rstrip("\n") + " not\n"
            copy.outputs = [nbformat.v4.new_output("stream", text="".join([*lines[:number], changed, *lines[number + 1 :]]))]
            copies.append(copy)
        notebook.cells[index + 1 : index + 1] = copies
        broken += len(copies)
    nbformat.write(notebook, tmp_path / "broken.ipynb")
    said = nbval(tmp_path / "broken.ipynb", shared_runs).stdout
    assert f"{broken} failed, {cells} passed" in said, said
    assert broken >= 2


@pytest.mark.parametrize(
    "death",
    ["import os; os.kill(os.getpid(), 9)", "import sys; sys.exit(0)", "1 / 0", "import threading; threading.Event().wait()"],
    ids=["killed", "exit", "error", "time-out"],
)
def test_a_notebook_that_dies_leaves_no_report(miniature, shared_runs, tmp_path, death):
    """Killed kernel, early exit, failed cell, time-out: whatever papermill calls it, only the last cell's file counts."""
    notebook = read(VERIFY)
    notebook.cells.insert(-1, nbformat.v4.new_code_cell(death))
    nbformat.write(notebook, tmp_path / "dies.ipynb")
    miniature(VERIFY)
    report = tmp_path / "report"
    shutil.copytree(shared_runs.parent / "verify.report", report)  # of an earlier, finished study
    run(
        "papermill", tmp_path / "dies.ipynb", tmp_path / "out.ipynb", *as_options(TINY["verify"] | {"report_dir": report}),
        "--execution-timeout", "60", BITNET_RUNS=str(shared_runs),
    )  # fmt: skip
    before, dying = code_cells(read(tmp_path / "out.ipynb"))[-3:-1]
    assert dying.source == death
    assert before.execution_count, "died before its time"
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
