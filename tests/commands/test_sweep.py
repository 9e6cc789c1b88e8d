"""`bitnet sweep`: a notebook is executed only if whoever starts the sweep says so."""

import pytest

from bitnet.__main__ import main
from bitnet.commands import sweep
from tests.support.grids import one_grid


class Prepared:
    """In the place of a `Runner`: takes the grid, and does nothing."""

    def __init__(self):
        self.grids = []

    def prepare(self, grid, engine_for, runs_dir, tracker):
        self.grids.append(grid)
        return self

    def run(self):
        return []

    def dry_run(self):
        pass


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Starts a sweep of a file that proposes a notebook: exit code, notebooks to be executed."""
    (tmp_path / "a.ipynb").touch()
    (tmp_path / "grid.yaml").write_text(f"notebook: a.ipynb\n{one_grid()}")

    def ask(answer, *options):
        prepared = Prepared()
        monkeypatch.setattr(sweep, "Runner", prepared)
        monkeypatch.setattr("sys.stdin.isatty", lambda: answer is not None, raising=False)
        monkeypatch.setattr("builtins.input", lambda _: answer)
        code = main(["sweep", str(tmp_path / "grid.yaml"), *options])
        return code, [grid.notebook for grid in prepared.grids]

    return ask


@pytest.mark.parametrize("answer", [None, "", "n", "what?"])
def test_a_file_alone_executes_no_notebook(asked, tmp_path, capsys, answer):
    assert asked(answer) == (1, [])
    said = capsys.readouterr()
    assert f"asks to execute a notebook, which is code: {tmp_path / 'a.ipynb'}" in said.out
    assert said.err.startswith(f"ParameterError: notebook = '{tmp_path / 'a.ipynb'}': is proposed")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("answer", ["y", " YES "])
def test_a_yes_executes_it(asked, tmp_path, answer):
    assert asked(answer) == (0, [tmp_path / "a.ipynb"])


def test_so_does_its_name_and_nothing_is_asked(asked, tmp_path):
    assert asked(None, "--notebook", str(tmp_path / "a.ipynb")) == (0, [tmp_path / "a.ipynb"])
    assert asked(None, "--notebook", "") == (0, [None])
    assert asked(None, "--dry-run") == (0, [None])
