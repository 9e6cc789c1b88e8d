"""The commands in the terminal: what they print, and what they refuse in one line."""

import subprocess
import sys
from importlib.metadata import version

import pytest

from bitnet.__main__ import main
from bitnet.analysis.results import load_plan, survey
from bitnet.analysis.summary import summary
from bitnet.extras import DISTRIBUTION
from tests.support.grids import one_grid


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--engine", "dask"], "ParameterError: engine = 'dask': must be one of pool, ray"),
        (
            ["--workers", "0"],
            "ParameterError: workers = '0': must be a whole number from 1 to 1024",
        ),
        (
            ["--workers", "two"],
            "ParameterError: workers = 'two': must be a whole number from 1 to 1024",
        ),
        (["--device", "gpu"], "ParameterError: device = 'gpu': must be auto, cpu, cuda"),
        (["--device", "cuda:99"], "ParameterError: device = 'cuda:99'"),
        (
            ["--precision", "fp16"],
            "ParameterError: precision = 'fp16': must be one of auto, float32, bfloat16",
        ),
        (["--runs-dir", __file__], "ParameterError: runs_dir = "),
        (["--notebook", "absent.ipynb"], "ParameterError: notebook = 'absent.ipynb': no such file"),
        (["--notebook", "{tmp}/text.ipynb"], "ParameterError: notebook = "),
    ],
)
def test_bad_options_of_a_sweep_end_in_one_line_and_begin_nothing(tmp_path, capsys, options, line):
    (tmp_path / "grid.yaml").write_text(one_grid())
    (tmp_path / "text.ipynb").write_text("no notebook")
    runs = ["--runs-dir", str(tmp_path / "runs")] if "--runs-dir" not in options else []
    options = [option.replace("{tmp}", str(tmp_path)) for option in options]
    assert main(["sweep", str(tmp_path / "grid.yaml"), *runs, *options]) == 1
    said = capsys.readouterr().err
    assert said.startswith(line)
    assert said.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_an_option_that_is_not_known_is_a_usage_error(tmp_path, capsys):
    with pytest.raises(SystemExit) as error:
        main(["sweep", "grid.yaml", "--worker", "2", "--nonsense"])
    assert error.value.code == 2


def test_the_results_are_printed_in_the_terminal(capsys):
    assert main(["evidence"]) == 0
    grid = load_plan()
    assert capsys.readouterr().out.strip() == summary(grid, survey(grid)[0])


def test_the_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit) as error:
        main(["--version"])
    assert error.value.code == 0
    assert capsys.readouterr().out == f"bitnet {version(DISTRIBUTION)}\n"


def test_a_command_that_is_not_known_is_a_usage_error(capsys):
    for words in ([], ["train"]):
        with pytest.raises(SystemExit) as error:
            main(words)
        assert error.value.code == 2
        assert "usage: bitnet" in capsys.readouterr().err


def test_what_is_published_is_of_the_registered_plans_and_of_no_other(tmp_path, capsys):
    (tmp_path / "grid.yaml").write_text(one_grid())
    with pytest.raises(SystemExit) as error:
        main(["evidence", "--publish", "--plan", str(tmp_path / "grid.yaml")])
    assert error.value.code == 2
    assert "unrecognized arguments: --plan" in capsys.readouterr().err


def test_ctrl_c_while_modules_are_imported_is_one_line():
    code = """
import sys
class Interrupting:
    def find_spec(self, name, *_):
        if name == "torch":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupting())
import bitnet
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "Stopped while importing bitnet.\n")


def test_ctrl_c_while_a_command_is_imported_is_one_line(monkeypatch, capsys):
    def interrupt(name):
        raise KeyboardInterrupt

    monkeypatch.setattr("bitnet.__main__.import_module", interrupt)
    assert main(["runs"]) == 130
    assert capsys.readouterr().err.count("\n") == 1
