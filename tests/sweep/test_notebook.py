"""Notebooks of a sweep: executed with a job's parameters, named only if they ran to their end."""

import sys

import nbformat
import pytest

from bitnet import ParameterError
from bitnet.files import ForeignFileError
from bitnet.sweep.notebook import REQUIRED, NotebookError, check_notebook, execute_notebook


def write(path, *sources, parameters=REQUIRED):
    notebook = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "", "language": "python"}}
    )
    cell = nbformat.v4.new_code_cell(
        "\n".join(f"{name} = 0" for name in parameters), metadata={"tags": ["parameters"]}
    )
    notebook.cells = [cell, *map(nbformat.v4.new_code_cell, sources)]
    nbformat.write(notebook, path)
    return path


def test_it_gets_the_parameters_that_it_has(tmp_path):
    source = write(tmp_path / "a.ipynb", "print(hidden, arms)")
    target = tmp_path / "kept" / "run.ipynb"
    execute_notebook(source, target, {"hidden": 16, "arms": "l2-0.0", "strange": 1})
    assert nbformat.read(target, 4).cells[-1].outputs[0]["text"] == "16 l2-0.0\n"
    assert [path.name for path in target.parent.iterdir()] == ["run.ipynb"]


@pytest.mark.parametrize(
    ("death", "line"),
    [
        # Cell 2 is the one that papermill injects.
        ("1 / 0", "a.ipynb, cell 3: ZeroDivisionError: division by zero"),
        ("import os; os.kill(os.getpid(), 9)", "a.ipynb, DeadKernelError"),
        ("import sys; sys.exit(0)", "a.ipynb, cell 3 ended it early"),
        ("import sys; sys.exit(3)", "a.ipynb, cell 3: SystemExit: 3"),
    ],
)
def test_one_that_does_not_run_to_its_end_is_an_error_whatever_papermill_calls_it(
    tmp_path, death, line
):
    target = tmp_path / "run.ipynb"
    with pytest.raises(NotebookError) as error:
        execute_notebook(write(tmp_path / "a.ipynb", death, "print(1)"), target, {"hidden": 16})
    assert str(error.value).startswith(line)
    assert "\n" not in str(error.value)
    assert not target.exists()
    assert (tmp_path / "run.failed.ipynb").exists()


def test_one_that_cannot_be_told_which_run_to_load_is_refused(tmp_path):
    with pytest.raises(ParameterError, match="'parameters' must have seeds, runs_dir"):
        check_notebook(
            write(tmp_path / "a.ipynb", parameters=("hidden", "steps", "arms", "corpus"))
        )
    (tmp_path / "text.ipynb").write_text("no notebook")
    with pytest.raises(ParameterError, match="is not a notebook"):
        check_notebook(tmp_path / "text.ipynb")


def test_papermill_that_is_missing_is_named_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "papermill", None)
    with pytest.raises(ParameterError, match=r"needs papermill; .*bitnet-collapse\[notebooks\]"):
        check_notebook(tmp_path / "a.ipynb")


@pytest.mark.parametrize("linked", ["notebooks", "notebooks/a", "notebooks/a/run.failed.ipynb"])
def test_nothing_is_written_through_a_link_in_the_runs_folder(tmp_path, linked):
    victim, runs = tmp_path / "victim", tmp_path / "runs"
    victim.mkdir()
    (runs / linked).parent.mkdir(parents=True)
    (runs / linked).symlink_to(victim)
    target = runs / "notebooks" / "a" / "run.ipynb"
    with pytest.raises(ForeignFileError, match=f"{linked} is a symbolic link"):
        execute_notebook(write(tmp_path / "a.ipynb"), target, {}, runs)
    assert list(victim.iterdir()) == []
