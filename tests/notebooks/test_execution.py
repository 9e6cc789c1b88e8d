"""The notebooks headless: from anywhere, with parameters given either way, and when they die."""

import json
import re
import shutil
from contextlib import suppress

import nbformat
import pytest
from nbclient import NotebookClient

import bitnet
from tests.support.notebooks import (
    NO_BROWSER,
    ROOT,
    TINY,
    VERIFY,
    as_options,
    code_cells,
    every_notebook,
    papermill,
    read,
    report_in,
    run,
)

WAITS = "import threading; threading.Event().wait()"


@pytest.mark.parametrize(
    "death",
    [
        WAITS,
        "import os; os.kill(os.getpid(), 9)",
        "import sys; sys.exit(0)",
        "1 / 0",
    ],
    ids=["time-out", "killed", "exit", "error"],
)
def test_a_notebook_that_dies_leaves_no_report(
    miniature, runs, shared, tmp_path, monkeypatch, death
):
    """However it dies and whatever papermill calls that, only the last cell's file counts."""
    notebook = read(VERIFY)
    notebook.cells.insert(-1, nbformat.v4.new_code_cell(death))
    nbformat.write(notebook, tmp_path / "dies.ipynb")
    miniature(VERIFY)
    report = tmp_path / "report"
    shutil.copytree(shared / "verify.report", report)  # of an earlier, finished study
    monkeypatch.setenv("BITNET_RUNS", str(runs))
    monkeypatch.setenv("PATH", NO_BROWSER)
    # Only the cell that waits for ever can run out of time, however busy the machine is.
    seconds = {WAITS: 1}
    monkeypatch.setattr(
        NotebookClient, "timeout_func", lambda _, cell: seconds.get(cell.source, 600)
    )
    options = as_options(TINY["verify"] | {"report_dir": report})
    with suppress(Exception, SystemExit):  # which of them, if any, is papermill's business
        papermill(tmp_path / "dies.ipynb", tmp_path / "out.ipynb", *options)
    before, dying = code_cells(read(tmp_path / "out.ipynb"))[-3:-1]
    assert dying.source == death
    assert before.execution_count, "died before its time"
    assert not (report / "verdict.json").exists()
    assert (tmp_path / "report.previous" / "verdict.json").exists()
    assert "no finished report here" in run("bitnet", "verdict", report).stderr


@every_notebook
def test_papermill_with_p_from_the_root(miniature, path):
    notebook = read(miniature(path))
    assert all(cell.execution_count for cell in code_cells(notebook))
    assert "widgets" not in notebook.metadata
    outputs = json.dumps([cell.outputs for cell in code_cells(notebook)])
    assert "FigureWidget" not in outputs, "a live figure in a saved notebook"


def test_verify_writes_its_report(miniature, shared):
    miniature(VERIFY)
    report = shared / "verify.report"
    facts = json.loads((report / "verdict.json").read_text())
    assert facts["hidden"] == 16
    assert facts["runs"][0]["complete"]
    assert (report / "report.html").exists()


@pytest.mark.parametrize("place", ["notebooks", "elsewhere"])
@every_notebook
def test_papermill_with_f_from_other_folders(runs, tmp_path, monkeypatch, path, place):
    parameters = tmp_path / "params.yaml"
    parameters.write_text(json.dumps(TINY[path.stem]))
    cwd = ROOT / "notebooks" if place == "notebooks" else tmp_path
    monkeypatch.chdir(cwd)
    monkeypatch.setenv("BITNET_RUNS", str(runs))
    monkeypatch.setenv("PATH", NO_BROWSER)
    source = path.name if place == "notebooks" else path
    target = tmp_path / path.name
    papermill(source, target, "-f", parameters, *as_options(report_in(tmp_path, path)))
    assert not re.search("image/(png|jpeg)", target.read_text())
    assert (tmp_path / "report" / "verdict.json").exists() == (path == VERIFY)
    assert [p for p in cwd.iterdir() if p.name == "runs"] == []


def test_interrupting_the_kernel_leaves_a_run_that_resumes(tmp_path):
    """Kernel > Interrupt, as JupyterLab does it."""
    from jupyter_client.manager import start_new_kernel

    code = (
        "import bitnet\n"
        "plan = bitnet.Plan(hidden=16, steps=500, arms='l2-0.0', device='cpu', "
        f"runs_dir={str(tmp_path)!r})\n"
        "text = plan.load_corpus(log=lambda line: None)\n"
        "say = lambda config, record: print('step', record.step, flush=True)\n"
        "bitnet.execute(plan, text, [say])"
    )
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        client.execute(code)
        printed = ""
        while "step 25" not in printed:
            message = client.get_iopub_msg(timeout=120)
            printed += message["content"].get("text", "")
        manager.interrupt_kernel()
        while "stopped. The same command resumes it" not in printed:
            printed += client.get_iopub_msg(timeout=120)["content"].get("text", "")
        assert client.get_shell_msg(timeout=120)["content"]["ename"] == "KeyboardInterrupt"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert bitnet.History.load(next(tmp_path.glob("l2*"))).status == "stopped"
