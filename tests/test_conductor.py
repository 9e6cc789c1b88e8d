"""A sweep from beginning to end, by its command: done, read back, failing in part, with a notebook, and estimated."""

import io
import json
import random

import nbformat
import pytest
from rich.console import Console

from bitnet import History, Plan, load_corpus
from bitnet.__main__ import main
from bitnet.cell import STOPPED, Cell
from bitnet.conductor import Conductor, failures, judge
from bitnet.history import HistoryWriter
from bitnet.run import run
from bitnet.sweep import Sweep
from bitnet.train import Diverged

WORDS = ("the", "of", "and", "in", "a", "to", "was", "is", "for", "as", "on", "by", "with", "he", "that", "at", "from", "his")


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """A text just long enough to be a corpus, so that an evaluation is quick."""
    folder = tmp_path_factory.mktemp("text")
    generator = random.Random(0)
    (folder / "text.txt").write_text(" ".join(generator.choice(WORDS) for _ in range(12_000)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BITNET_CACHE", str(folder / "cache"))
        yield folder / "text.txt"


def plan_file(folder, text, arms="l2-0.0,adamw-0.0", seeds="0"):
    path = folder / "plan.yaml"
    path.write_text(json.dumps({"grids": [{"hidden": 16, "steps": 8, "arms": arms, "seeds": seeds, "corpus": str(text)}]}))
    return path


def conductor(path, runs, **named):
    console = Console(file=io.StringIO(), width=200, highlight=False)
    return Conductor(Sweep.load(path), runs, "cpu", "float32", console=console, **named), console.file


@pytest.fixture(scope="module")
def done(text, tmp_path_factory):
    """The folder of a sweep of two runs, done by the command, and what it returned."""
    folder = tmp_path_factory.mktemp("sweep")
    code = main(["sweep", str(plan_file(folder, text)), "--runs-dir", str(folder / "runs"), "--device", "cpu"])
    return folder, code


def test_the_command_does_every_run_under_the_name_that_a_notebook_reads(done, text):
    folder, code = done
    assert code == 0
    plan = Plan(16, 8, "l2-0.0,adamw-0.0", "0", str(text), "cpu", folder / "runs")
    corpus = load_corpus(str(text))
    said = []
    for config in plan.runs:
        assert run(config, corpus, plan.runs_dir, plan.backend, say=said.append).complete
    assert [line.partition(": ")[2].partition(",")[0] for line in said] == ["complete", "complete"]
    assert all("read back" in line for line in said)


def test_finished_runs_are_skipped_and_nothing_is_started(done, text, capsys, monkeypatch):
    folder, _ = done
    monkeypatch.setattr("bitnet.pool._process", None)
    assert main(["sweep", str(folder / "plan.yaml"), "--runs-dir", str(folder / "runs"), "--device", "cpu"]) == 0
    assert "2 read back" in capsys.readouterr().out


def test_a_failing_cell_is_named_with_its_reason_and_the_others_are_done(text, tmp_path, capsys):
    path = plan_file(tmp_path, text)
    cell = conductor(path, tmp_path / "runs")[0].cells[0]
    folder = tmp_path / "runs" / cell.identity
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text('{"format": 99}')
    assert main(["sweep", str(path), "--runs-dir", str(tmp_path / "runs"), "--device", "cpu", "--workers", "1"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("l2-0.0, hidden 16, 8 steps, seed 0: failed: NewerFormatError: ")
    assert "newer version" in line
    again, _ = conductor(path, tmp_path / "runs")
    assert [again.found[cell.identity].status for cell in again.cells] == ["interrupted", "complete"]


def train_nothing(cell, report):
    """A worker that says nothing of the kind, but leaves no run."""


def test_a_cell_counts_only_by_what_its_run_says(text, tmp_path):
    sweep, _ = conductor(plan_file(tmp_path, text, arms="l2-0.0"), tmp_path / "runs")
    ((cell, outcome),) = outcomes = sweep.run(train_nothing)
    assert outcome.status == "failed"
    assert failures(outcomes) == [f"{cell.name}: failed: no finished run in {cell.runs_dir / cell.identity}"]


@pytest.mark.parametrize(
    ("error", "found", "judged"),
    [
        (Diverged("because"), "diverged", "diverged"),
        (MemoryError("because"), "failed", "failed"),
        (KeyboardInterrupt("because"), "interrupted", "failed"),
    ],
)
def test_how_a_run_ended_is_read_from_its_folder(done, tmp_path, error, found, judged):
    folder, _ = done
    history = History.load(next((folder / "runs").glob("l2-0.0-*")))
    with pytest.raises(type(error)), HistoryWriter(tmp_path / "run", history.config, {}, history.references):
        raise error
    cell = Cell(history.config, "run", tmp_path)
    assert cell.outcome().status == found
    assert "because" in cell.outcome().reason
    assert judge(cell, "").status == judged
    assert judge(cell, STOPPED).status == STOPPED


def test_a_run_that_diverged_is_not_tried_again(done, text, tmp_path, capsys):
    folder, _ = done
    path = plan_file(tmp_path, text, arms="l2-0.0")
    history = History.load(next((folder / "runs").glob("l2-0.0-*")))
    place = tmp_path / "runs" / history.folder.name
    with pytest.raises(Diverged), HistoryWriter(place, history.config, {}, history.references):
        raise Diverged("the loss of step 3 is nan")
    assert main(["sweep", str(path), "--runs-dir", str(tmp_path / "runs"), "--device", "cpu"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("diverged: Diverged: the loss of step 3 is nan")


def test_a_run_that_would_not_go_on_bit_for_bit_says_so(done, tmp_path):
    folder, _ = done
    history = History.load(next((folder / "runs").glob("l2-0.0-*")))
    facts = {"device": {"kind": "cpu", "threads": 2}}
    HistoryWriter(tmp_path / "run", history.config, facts, history.references).__enter__()  # killed before it could leave
    assert Cell(history.config, "run", tmp_path, threads=2).outcome().reason == ""
    assert "trained with 2 threads so far: not bit for bit with 1" in Cell(history.config, "run", tmp_path).outcome().reason


def test_a_dry_run_shows_what_is_there_measures_and_begins_nothing(done, text, tmp_path):
    folder, _ = done
    path = plan_file(tmp_path, text, seeds="0,1")
    before = sorted(path.name for path in (folder / "runs").iterdir())
    sweep, said = conductor(path, folder / "runs")
    sweep.dry_run()
    assert sorted(path.name for path in (folder / "runs").iterdir()) == before
    shown = said.getvalue()
    assert shown.count("│ complete") == 2
    assert shown.count("│ missing") == 2
    assert "hidden 16: " in shown
    assert "for 2 of 4 runs" in shown
    assert "Measured just now on this machine" in shown


def test_a_dry_run_of_a_finished_sweep_measures_nothing(done, monkeypatch):
    folder, _ = done
    monkeypatch.setattr("bitnet.conductor.measure_speed", None)
    sweep, said = conductor(folder / "plan.yaml", folder / "runs")
    sweep.dry_run()
    assert "Nothing is left to do." in said.getvalue()


def test_each_run_has_its_executed_notebook_and_its_own_report(done, text):
    """verify.ipynb itself, on the runs that are there: it reads them back."""
    folder, _ = done
    arguments = ["sweep", str(plan_file(folder, text, arms="l2-0.0")), "--runs-dir", str(folder / "runs"), "--device", "cpu"]
    assert main([*arguments, "--notebook", "notebooks/verify.ipynb"]) == 0
    identity = next((folder / "runs").glob("l2-0.0-*")).name
    notebook = nbformat.read(folder / "runs" / "notebooks" / "verify" / f"{identity}.ipynb", 4)
    printed = "".join(output.get("text", "") for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs)
    assert "complete, read back" in printed
    report = json.loads((folder / "runs" / "reports" / "verify" / identity / "verdict.json").read_text())
    assert [entry["complete"] for entry in report["runs"]] == [True]
    assert report["runs"][0]["folder"].endswith(identity)


def test_a_notebook_that_fails_makes_its_cell_fail(done, text, capsys):
    folder, _ = done
    source = folder / "fails.ipynb"
    names = ("hidden", "steps", "arms", "seeds", "corpus", "runs_dir")
    first = nbformat.v4.new_code_cell("\n".join(f"{name} = 0" for name in names), metadata={"tags": ["parameters"]})
    kernel = {"kernelspec": {"name": "python3", "display_name": "", "language": "python"}}
    last = nbformat.v4.new_code_cell("assert arms == 'l2-0.0', arms")
    nbformat.write(nbformat.v4.new_notebook(cells=[first, last], metadata=kernel), source)
    path = plan_file(folder, text, arms="adamw-0.0")
    arguments = ["sweep", str(path), "--runs-dir", str(folder / "runs"), "--device", "cpu", "--notebook", str(source)]
    assert main(arguments) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert (
        "adamw-0.0, hidden 16, 8 steps, seed 0: failed: NotebookError: fails.ipynb, cell 3: AssertionError: adamw-0.0" in line
    )
