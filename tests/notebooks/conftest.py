"""What the notebooks' tests share, whichever of the processes side by side needs it first."""

import os
import shutil
from pathlib import Path

import filelock
import pytest

from bitnet.runs.run import run
from tests.support.notebooks import (
    NOTEBOOKS,
    ROOT,
    TINY,
    VERIFY,
    as_options,
    papermill,
    plan_of,
    report_in,
)


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


@pytest.fixture(scope="session")
def committed_runs(runs, shared):
    """`runs` with those that the committed notebooks take; whoever waits for them trains some."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BITNET_RUNS", str(runs))
        patch.setattr("bitnet.display.figures.set_renderer", lambda: None)
        plans = [plan for path in NOTEBOOKS if (plan := plan_of(path))]
    plan_of_run = {config: plan for plan in plans for config in plan.runs}
    # The costly ones first, so that none is left to the end.
    configs = sorted(plan_of_run, key=lambda config: -config.hidden * config.steps)
    for seconds in (0, -1):  # to wait for a run that another process trains: not yet; for ever
        for number, config in enumerate(configs):
            try:
                held = filelock.FileLock(shared / f"run-{number}.lock").acquire(timeout=seconds)
            except filelock.Timeout:
                continue
            with held:
                plan = plan_of_run[config]
                text = plan.load_corpus(log=lambda line: None)
                history = run(config, text, runs, plan.backend, log=lambda line: None)
                assert history.complete
    return runs


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
