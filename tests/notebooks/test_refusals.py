"""A bad parameter ends a notebook in one line that says what is allowed, before any work."""

import pytest

from bitnet.checks import OneLineError, ParameterError
from bitnet.display.injected import refuse_unknown
from tests.support.notebooks import ROOT, code_cells, every_notebook, read, run

REFUSALS = [
    ("verify", "hidden", 250, "hidden = 250: must be a multiple of 8"),
    ("verify", "hidden", "wide", "hidden = 'wide': must be a whole number of at least 0"),
    ("verify", "steps", -1, "steps = -1: must be a whole number of at least 0"),
    ("verify", "arms", "l2-0.5", "arms = 'l2-0.5': must be one of"),
    ("verify", "arms", "l2-0.0+peak_lr=2", "arms: peak_lr = '2': must be a number from 0.0 to 1.0"),
    ("verify", "corpus", "wikipedia", "corpus = 'wikipedia': must be one of"),
    ("verify", "eval_every", "often", "eval_every = 'often': must be a whole number from 0"),
    ("verify", "probe_positions", 0, "probe_positions = 0: must be a whole number from 1"),
    ("verify", "hidden", 8e18, "hidden = 8000000000000000000: must be a whole number from 1"),
    ("verify", "report_dir", 5, "report_dir = 5: must be a path"),
    ("verify", "report_dir", "~nosuchuser/x", "report_dir = '~nosuchuser/x': cannot be used"),
    ("wd_fix", "runs_dir", "x" * 300, "runs_dir = 'xxxxx"),
    ("collapse", "scale", "tiny", "scale = 'tiny': must be one of auto, full, miniature"),
    ("collapse", "order", -1, "order = -1: must be a whole number from 0"),
    ("collapse", "precision", "int8", "precision = 'int8': must be one of"),
    ("wd_fix", "seeds", "0,0", "seeds = '0,0': must be one or more different whole numbers"),
    ("wd_fix", "vocabulary", 255, "vocabulary = 255: must be a whole number from 256 to 65535"),
    ("wd_fix", "device", "tpu", "device = 'tpu': must be auto, cpu, cuda"),
    ("root_cause", "changes", "l2-0.0+decay=2",
     "changes: decay = '2': must be a number from 0"),
    ("root_cause", "changes", "l2-0.0+decay=strong", "changes: decay = 'strong': must be a number"),
    ("root_cause", "changes", "l2-block-0.0", "changes = 'l2-block-0.0': must be one of"),
    ("root_cause", "strict", "yes", "strict = 'yes': must be True or False"),
    ("decode", "top_p", 1.5, "top_p = 1.5: must be a number from 1e-06 to 1.0"),
    ("decode", "temperature", "hot", "temperature = 'hot': must be a number of at least 0.0"),
    ("decode", "prompts", 5, "prompts = 5: must be one or more texts"),
    ("decode", "hidden", 250, "hidden = 250: must be a multiple of 8"),
    ("root_cause", "hidden", 250, "hidden = 250: must be a multiple of 8"),
    ("decode", "prompts", "|", "prompts = '|': must be one or more texts"),
    ("scaling", "measure", "unique", "measure = 'unique': must be one of"),
    ("scaling", "log", "sometimes", "log = 'sometimes': must be"),
    ("scaling", "grid", "nowhere.yaml", "grid = 'nowhere.yaml': cannot be read"),
    ("scaling", "grid", 7, "grid = 7: must be a path"),
    ("scaling", "runs_dir", 7, "runs_dir = 7: must be a path"),
    ("scaling", "runs_dir", "nowhere", "nowhere: holds no readable run of this grid"),
]  # fmt: skip


@pytest.mark.parametrize(("notebook", "name", "value", "line"), REFUSALS)
def test_a_bad_parameter_is_refused_in_one_line_before_any_work(
    tmp_path, monkeypatch, notebook, name, value, line
):
    """The first cell after that of the parameters refuses it, as it stands, in this process."""
    monkeypatch.setenv("BITNET_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr("bitnet.display.figures.set_renderer", lambda: None)
    names = {}
    with pytest.raises(OneLineError) as refusal:
        for cell in code_cells(read(ROOT / "notebooks" / f"{notebook}.ipynb"))[:2]:
            exec(cell.source, names)
            if "parameters" in cell.metadata.get("tags", []):
                assert name in names
                names[name] = value
    kind = "HistoryError" if value == "nowhere" else "ParameterError"
    assert f"{type(refusal.value).__name__}: {refusal.value}".startswith(f"{kind}: {line}")
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "runs").exists()


def test_papermill_ends_in_that_line(tmp_path):
    """The command itself, in a process of its own; what it runs is what the tests above run."""
    name, value, line = REFUSALS[0][1:]
    runs, notebook = tmp_path / "runs", ROOT / "notebooks" / f"{REFUSALS[0][0]}.ipynb"
    done = run(
        "papermill", notebook, tmp_path / "out.ipynb", "-p", name, value, BITNET_RUNS=str(runs)
    )
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith(f"ParameterError: {line}")
    assert not runs.exists()


@every_notebook
def test_a_misspelt_parameter_is_refused_by_every_notebook(path):
    """Before anything that takes time: in its first cell of code after the parameters."""
    own, first, *_ = code_cells(read(path))
    assert "injected.refuse_unknown()" in first.source
    with pytest.raises(ParameterError, match=r"^scal = 'full': no such parameter here"):
        refuse_unknown([own.source, "# Parameters\nscal = 'full'\n", first.source])


def test_papermill_ends_in_a_line_that_names_the_parameter_that_was_meant(tmp_path):
    runs = tmp_path / "runs"
    command = ("papermill", ROOT / "notebooks" / "verify.ipynb", tmp_path / "out.ipynb")
    done = run(*command, "-p", "hiden", 512, BITNET_RUNS=str(runs))
    assert done.returncode == 1
    said = done.stderr.strip().splitlines()[-1]
    expected = "ParameterError: hiden = 512: no such parameter here; did you mean 'hidden'?"
    assert said.startswith(expected)
    assert not runs.exists()
