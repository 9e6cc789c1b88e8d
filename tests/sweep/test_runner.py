"""A sweep from beginning to end, by its command.

Done, loaded, failing in part, with a notebook, and estimated.
"""

import io
import json
from dataclasses import replace

import nbformat
import pytest

from bitnet import History, ParameterError, Plan, load_corpus
from bitnet.__main__ import main
from bitnet.records import Diverged
from bitnet.runs.grid import Grid
from bitnet.runs.run import run
from bitnet.sweep.notebook import REQUIRED
from bitnet.sweep.pool import Pool
from bitnet.sweep.runner import Runner, failures
from bitnet.terminal import Terminal
from tests.support.grids import one_grid
from tests.support.mishaps import command, train_nothing
from tests.support.runs import writer_in

# The second arm is given as overrides of a named one, in the file as a mapping.
GIVEN = {"base": "adamw-0.0", "peak_lr": 3e-3}
ARMS = ("l2-0.0", "adamw-0.0+peak_lr=0.003")


def grid_file(folder, text, arms=(ARMS[0], GIVEN), seeds="0"):
    path = folder / "grid.yaml"
    grid = {"hidden": 16, "steps": 8, "arms": arms, "seeds": seeds, "corpus": str(text)}
    path.write_text(json.dumps({"grids": [grid]}))
    return path


def sweep(path, runs, *more):
    """The exit code of the command."""
    return main(["sweep", str(path), "--runs-dir", str(runs), "--device", "cpu", *more])


def runner(path, runs):
    console = Terminal(file=io.StringIO(), width=200)
    return Runner.prepare(Grid.load(path), one_a_core, runs, console), console.file


def one_a_core(jobs):
    return Pool(jobs, None, "cpu", "float32")


def label(arm, text):
    return f"{arm}, hidden 16, 8 steps, seed 0, {text}"


@pytest.fixture(scope="module")
def done(text, tmp_path_factory):
    """The folder of a sweep of two runs, done by the command, and what it returned."""
    folder = tmp_path_factory.mktemp("sweep")
    return folder, sweep(grid_file(folder, text), folder / "runs")


def test_the_command_does_every_run_under_the_name_that_a_notebook_reads(done, text):
    folder, code = done
    assert code == 0
    plan = Plan(16, 8, ",".join(ARMS), "0", str(text), "cpu", folder / "runs", scale="full")
    corpus = load_corpus(str(text))
    lines = []
    for config in plan.runs:
        assert run(config, corpus, plan.runs_dir, plan.backend, log=lines.append).complete
    expected = [f"{label(arm, text)}: complete, loaded from" for arm in ARMS]
    assert [line.rpartition(" ")[0] for line in lines] == expected


def test_finished_runs_are_skipped_and_nothing_is_started(done, capsys, monkeypatch):
    folder, _ = done
    monkeypatch.setattr(Pool, "_attempts", None)
    assert sweep(folder / "grid.yaml", folder / "runs") == 0
    assert "2 loaded" in capsys.readouterr().out


def test_a_failing_job_is_named_with_its_reason_and_the_others_are_done(text, tmp_path, capsys):
    path = grid_file(tmp_path, text)
    job = runner(path, tmp_path / "runs")[0].jobs[0]
    folder = tmp_path / "runs" / job.identity
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text('{"format": 99}')
    assert sweep(path, tmp_path / "runs", "--workers", "1") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{label('l2-0.0', text)}: failed: NewerFormatError: ")
    assert "newer version" in line
    again, _ = runner(path, tmp_path / "runs")
    statuses = [again.found[job.identity].status for job in again.jobs]
    assert statuses == ["interrupted", "complete"]


def test_a_job_counts_only_by_what_its_run_says(text, tmp_path):
    found, _ = runner(grid_file(tmp_path, text, arms="l2-0.0"), tmp_path / "runs")
    found.engine.command = command(train_nothing)
    ((job, outcome),) = outcomes = found.run()
    assert outcome.status == "failed"
    nothing = f"no finished run in {job.runs_dir / job.identity}"
    assert failures(outcomes) == [f"{label('l2-0.0', text)}: failed: {nothing}"]


def test_a_run_that_diverged_is_not_tried_again(done, text, tmp_path, capsys):
    folder, _ = done
    path = grid_file(tmp_path, text, arms="l2-0.0")
    history = History.load(next((folder / "runs").glob("l2-0.0-*")))
    place = tmp_path / "runs" / history.folder.name
    with pytest.raises(Diverged), writer_in(place, config=history.config):
        raise Diverged("the loss of step 3 is nan")
    assert sweep(path, tmp_path / "runs") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("diverged: Diverged: the loss of step 3 is nan")


def test_a_dry_run_shows_what_is_there_measures_and_begins_nothing(done, text, tmp_path):
    folder, _ = done
    path = grid_file(tmp_path, text, seeds="0,1")
    before = sorted(path.name for path in (folder / "runs").iterdir())
    found, file = runner(path, folder / "runs")
    found.dry_run()
    assert sorted(path.name for path in (folder / "runs").iterdir()) == before
    shown = file.getvalue()
    assert shown.count("│ complete") == 2
    assert shown.count("│ missing") == 2
    assert "Hidden 16, 50257 tokens: " in shown
    assert "for 2 of 4 runs" in shown
    assert "Measured just now on this machine" in shown


def test_a_dry_run_of_a_finished_sweep_measures_nothing(done, monkeypatch):
    folder, _ = done
    monkeypatch.setattr("bitnet.sweep.runner.measure_speed", None)
    found, file = runner(folder / "grid.yaml", folder / "runs")
    found.dry_run()
    assert "Nothing is left to do." in file.getvalue()


def test_each_run_has_its_executed_notebook_and_its_own_report(done, text):
    """verify.ipynb itself, on the runs that are there: it loads them."""
    folder, _ = done
    path = grid_file(folder, text, arms="l2-0.0")
    assert sweep(path, folder / "runs", "--notebook", "notebooks/verify.ipynb") == 0
    identity = next((folder / "runs").glob("l2-0.0-*")).name
    notebook = nbformat.read(folder / "runs" / "notebooks" / "verify" / f"{identity}.ipynb", 4)
    printed = "".join(
        output.get("text", "")
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    )
    assert f"{label(ARMS[0], text)}: loaded" in printed
    assert "training" not in printed
    report = json.loads(
        (folder / "runs" / "reports" / "verify" / identity / "verdict.json").read_text()
    )
    assert [entry["complete"] for entry in report["runs"]] == [True]
    assert report["runs"][0]["folder"].endswith(identity)


def test_a_notebook_that_fails_makes_its_job_fail(done, text, capsys):
    folder, _ = done
    source = folder / "fails.ipynb"
    names = (*REQUIRED, "scale")
    first = nbformat.v4.new_code_cell(
        "\n".join(f"{name} = 0" for name in names), metadata={"tags": ["parameters"]}
    )
    kernel = {"kernelspec": {"name": "python3", "display_name": "", "language": "python"}}
    last = nbformat.v4.new_code_cell("assert arms == 'l2-0.0', arms")
    nbformat.write(nbformat.v4.new_notebook(cells=[first, last], metadata=kernel), source)
    path = grid_file(folder, text, arms=ARMS[1])
    assert sweep(path, folder / "runs", "--notebook", str(source)) == 1
    (line,) = capsys.readouterr().err.splitlines()
    failed = "failed: NotebookError: fails.ipynb, cell 3: AssertionError:"
    assert f"{label(ARMS[1], text)}: {failed} {ARMS[1]}" in line


MINIATURE = "scale: miniature, steps: 8"
REFUSED = [
    # Of a plan that is told no scale, the machine decides the sizes that it is not told either.
    ((), "hidden: 16, steps: 8", "vocabulary = 50257"),
    ((), MINIATURE, "vocabulary = 4096"),
    (("vocabulary",), MINIATURE, "batch_size = 8"),
    (("scale",), "hidden: 16, steps: 8, vocabulary: 300", "vocabulary = 300"),
    (("scale",), f"{MINIATURE}, batch_size: 16", "vocabulary = 4096"),
    (("scale", "vocabulary"), f"{MINIATURE}, batch_size: 16", "batch_size = 16"),
    (("scale",), "hidden: 16, steps: 8, sequence_length: 16", "sequence_length = 16"),
    (("scale",), "hidden: 16, steps: 8, order: 1", "order = 1"),
]


def notebook_grid(folder, names, sizes):
    cell = nbformat.v4.new_code_cell(
        "\n".join(f"{name} = 0" for name in (*REQUIRED, *names)),
        metadata={"tags": ["parameters"]},
    )
    kernel = {"kernelspec": {"name": "python3", "display_name": "", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=kernel), folder / "a.ipynb")
    path = folder / "grid.yaml"
    path.write_text(f"grids: [{{{sizes}, arms: l2-0.0}}]")
    return Grid.load(path, notebook=str(folder / "a.ipynb"))


@pytest.mark.parametrize(("names", "sizes", "refused"), REFUSED, ids=range(len(REFUSED)))
def test_a_notebook_that_would_train_a_run_of_other_sizes_is_refused(
    tmp_path, names, sizes, refused
):
    with pytest.raises(ParameterError) as error:
        Runner.prepare(notebook_grid(tmp_path, names, sizes), one_a_core, tmp_path / "runs")
    said = "a.ipynb has no such parameter, and would train another run"
    assert str(error.value) == f"{refused}: {said}"


@pytest.mark.parametrize(
    ("names", "sizes"),
    [
        (("scale",), "hidden: 16, steps: 8"),
        (("scale",), MINIATURE),
        (("vocabulary", "batch_size"), MINIATURE),
        (("scale", "order"), f"{MINIATURE}, order: 1"),
        (("scale", "vocabulary"), "hidden: 16, steps: 8, vocabulary: 300"),
    ],
)
def test_a_notebook_that_is_told_what_it_needs_is_taken(tmp_path, monkeypatch, names, sizes):
    def load(*_, **__):
        raise LookupError("the text is read")

    monkeypatch.setattr("bitnet.sweep.runner.load_corpus", load)
    with pytest.raises(LookupError, match="the text is read"):
        Runner.prepare(notebook_grid(tmp_path, names, sizes), one_a_core, tmp_path / "runs")


def test_each_text_and_vocabulary_is_loaded_once_and_names_its_runs(corpus, tmp_path, monkeypatch):
    asked = []

    def load(name, vocabulary, log):
        asked.append((name, vocabulary))
        return replace(corpus, fingerprint=f"{name} of {vocabulary}")

    monkeypatch.setattr("bitnet.sweep.runner.load_corpus", load)
    path = tmp_path / "grid.yaml"
    path.write_text(one_grid(vocabulary="[300, 50257]", seeds="[0, 1]"))
    found, _ = runner(path, tmp_path / "runs")
    assert asked == [("wikipedia-sample", 300), ("wikipedia-sample", 50257)]
    assert [job.identity for job in found.jobs] == [
        job.config.identity(f"wikipedia-sample of {job.config.vocabulary}", "cpu")
        for job in found.jobs
    ]
    assert len({job.identity for job in found.jobs}) == 4
