"""What the notebooks' tests share, whichever of the processes side by side needs it first."""

import os
import shutil
from pathlib import Path

import filelock
import pytest

from tests.support.notebooks import ROOT, TINY, VERIFY, as_options, papermill, report_in


@pytest.fixture(scope="session")
def shared(tmp_path_factory, worker_id):
    """A folder of all processes that test side by side."""
    folder = tmp_path_factory.getbasetemp()
    folder = (folder if worker_id == "master" else folder.parent) / "notebooks"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def runs(shared):
    """The runs of all of these tests, in a folder that `make test` hands on to nbval."""
    return Path(os.environ.get("BITNET_TEST_RUNS") or shared / "runs")


@pytest.fixture
def miniature(runs, shared, monkeypatch):
    """A function of a notebook's path: its miniature, executed once by papermill from the root."""

    def executed(path):
        done = shared / path.name
        with filelock.FileLock(shared / f"{path.stem}.lock"):
            if not done.exists():
                folder = shared / f"{path.stem}.tmp"
                folder.mkdir()
                options = as_options(TINY[path.stem] | report_in(folder, path))
                with monkeypatch.context() as patch:
                    patch.chdir(ROOT)
                    patch.setenv("BITNET_RUNS", str(runs))
                    papermill(path.relative_to(ROOT), folder / path.name, *options)
                if path == VERIFY:
                    # A copy: whoever executes the miniature again retires its report first.
                    shutil.copytree(folder / "report", shared / "verify.report")
                (folder / path.name).rename(done)
        return done

    return executed
