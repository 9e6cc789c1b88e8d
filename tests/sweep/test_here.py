"""One run by its command: from beginning to end, stopped and resumed, refused in one line."""

import signal
import subprocess
import sys

import nbformat
import pytest

from bitnet import History
from bitnet.__main__ import main
from bitnet.sweep.notebook import REQUIRED
from tests.support import held


def arguments(text, runs, **changes):
    options = {
        "arm": "adamw-0.0+peak_lr=0.003", "hidden": "16", "steps": "30", "corpus": str(text),
        "eval-every": "10", "probe-positions": "62", "device": "cpu", "precision": "float32",
        "threads": "1", "runs-dir": str(runs), "scale": "full",
    }  # fmt: skip
    options |= {name.replace("_", "-"): value for name, value in changes.items()}
    return ["run", *(word for name, value in options.items() for word in (f"--{name}", value))]


def folder_of(runs):
    (manifest,) = runs.glob("*/manifest.json")
    return manifest.parent


@pytest.fixture(scope="module")
def whole(text, tmp_path_factory):
    """The folder of a run that was never stopped."""
    runs = tmp_path_factory.mktemp("whole")
    assert main(arguments(text, runs)) == 0
    return folder_of(runs)


def test_one_run_is_trained_and_then_loaded(whole, text, capsys):
    history = History.load(whole)
    assert history.complete
    assert history.config.arm == "adamw-0.0+peak_lr=0.003"
    assert {1, 10, 20, 30} <= set(history.measures.step)
    assert main(arguments(text, whole.parent)) == 0
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first == f"1 run in {whole.parent}: this process on cpu, 1 thread."
    assert last.endswith(": loaded. 1 loaded")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_a_run_and_the_same_command_resumes_it(
    whole, text, tmp_path, capsys, number
):
    command = [sys.executable, held.__file__, *arguments(text, tmp_path)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)
    while (line := process.stdout.readline()) != "held\n":
        assert line, process.stderr.read()
    process.send_signal(number)
    shown, error = process.communicate()
    assert process.returncode == 130
    assert error == "Stopped. The same command resumes from the last checkpoints.\n"
    assert "Traceback" not in shown
    assert History.load(folder_of(tmp_path)).status == "stopped"
    assert main(arguments(text, tmp_path)) == 0
    assert "resumes from step 10" in capsys.readouterr().out
    for name in ("trace.csv", "measures.csv", "model.safetensors"):
        assert (folder_of(tmp_path) / name).read_bytes() == (whole / name).read_bytes()


def one_line(capsys):
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"arm": "l2-0.7"}, "ParameterError: arm = 'l2-0.7': must be one of"),
        ({"arm": "l2-0.0,l2-0.05"}, "ParameterError: arm = 'l2-0.0,l2-0.05': must be one of"),
        ({"arm": "l2-0.0+peak_lr=fast"}, "ParameterError: peak_lr = 'fast': must be a number"),
        ({"hidden": "9"}, "ParameterError: hidden = 9: must be a multiple of 8"),
        ({"steps": "many"}, "ParameterError: steps = 'many': must be a whole number"),
        ({"seed": "-1"}, "ParameterError: seed = '-1': must be a whole number"),
        ({"corpus": "nowhere.txt"}, "ParameterError: corpus = 'nowhere.txt': no such file"),
        ({"eval_every": "-5"}, "ParameterError: eval_every = '-5': must be a whole number"),
        ({"probe_positions": "0"}, "ParameterError: probe_positions = '0': must be a whole"),
        ({"device": "tpu"}, "ParameterError: device = 'tpu': must be auto, cpu, cuda"),
        ({"precision": "int8"}, "ParameterError: precision = 'int8': must be one of"),
        ({"threads": "0"}, "ParameterError: threads = '0': must be a whole number from 1 to 1024"),
        ({"notebook": "none.ipynb"}, "ParameterError: notebook = 'none.ipynb': no such file"),
        ({"runs_dir": __file__}, "ParameterError: runs_dir = "),
    ],
)
def test_a_wrong_value_is_one_line_and_begins_nothing(text, tmp_path, capsys, change, line):
    assert main(arguments(text, tmp_path / "runs", **change)) == 1
    assert one_line(capsys).startswith(line)
    assert not (tmp_path / "runs").exists()


def test_a_notebook_that_would_train_another_run_is_refused(text, tmp_path, capsys):
    names = (*REQUIRED, "scale", "probe_positions")
    source = "\n".join(f"{name} = 0" for name in names)
    cell = nbformat.v4.new_code_cell(source, metadata={"tags": ["parameters"]})
    kernel = {"kernelspec": {"name": "python3", "display_name": "", "language": "python"}}
    path = tmp_path / "a.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=kernel), path)
    assert main(arguments(text, tmp_path / "runs", notebook=str(path))) == 1
    assert one_line(capsys).startswith("ParameterError: eval_every = 10: a.ipynb has no such")
    assert not (tmp_path / "runs").exists()


def test_a_run_that_fails_is_one_line(whole, text, tmp_path, capsys):
    folder = tmp_path / whole.name
    folder.mkdir()
    (folder / "manifest.json").write_text('{"format": 99}')
    assert main(arguments(text, tmp_path)) == 1
    line = one_line(capsys)
    assert line.startswith("adamw-0.0+peak_lr=0.003, hidden 16, 30 steps, seed 0, ")
    assert ": failed: NewerFormatError: " in line
