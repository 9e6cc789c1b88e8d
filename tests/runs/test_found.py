"""What is found in a run's folder before it is trained."""

import errno
import shutil
from dataclasses import replace

import pytest
import torch

from bitnet import History, HistoryError
from bitnet.runs.checkpoint import saved_steps
from bitnet.runs.history import OtherRunError
from bitnet.runs.run import run
from tests.support.runs import CPU, SHORT, stop, train


@pytest.fixture(scope="module")
def whole(corpus, shared_runs):
    return train(shared_runs, corpus)[0]


def test_a_finished_run_is_loaded_from_a_disk_that_cannot_be_written(
    whole, corpus, tmp_path, monkeypatch
):
    shutil.copytree(whole.folder, tmp_path / whole.folder.name)

    def read_only(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    for name in ("mkdir", "unlink"):
        monkeypatch.setattr(f"pathlib.Path.{name}", read_only)
    assert train(tmp_path, corpus)[0].complete
    with pytest.raises(HistoryError, match=r"Read-only file system\); choose another"):
        train(tmp_path / "another", corpus)


def test_what_a_killed_process_left_is_gone_after_the_next_start(whole, corpus, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, corpus, [stop])
    (folder,) = tmp_path.glob("l2*")
    (folder / "checkpoint-000000007.tmp").write_text("half")
    kept = tmp_path / "kept"
    shutil.copytree(folder, kept)
    assert train(tmp_path, corpus)[0].complete
    names = {path.name for path in folder.iterdir()}
    assert names == {path.name for path in whole.folder.iterdir()}
    for path in kept.glob("checkpoint-*"):  # as if it had been stopped while it cleaned up
        shutil.copy(path, folder)
    assert train(tmp_path, corpus)[0].complete
    assert {path.name for path in folder.iterdir()} == names


def test_a_run_that_goes_on_with_other_threads_says_so(corpus, tmp_path, monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, corpus, [stop])
    now = torch.get_num_threads() + 1
    monkeypatch.setattr(torch, "get_num_threads", lambda: now)
    told = f"trained with {now - 1} thread(s) so far: not bit for bit with {now}"
    assert train(tmp_path, corpus)[1][1].endswith(told)


def test_a_folder_with_the_name_of_another_run_is_refused_by_all_who_read_it(whole, tmp_path):
    name = whole.folder.name.replace("l2-0.05", "adamw-0.0")
    shutil.copytree(whole.folder, tmp_path / name)
    with pytest.raises(OtherRunError, match=rf"holds another run, .*{whole.folder.name}"):
        History.load(tmp_path / name)
    shutil.copytree(whole.folder, tmp_path / "mine")  # which is no run's name
    assert History.load(tmp_path / "mine").complete


def test_another_runs_folder_gives_no_checkpoint(whole, corpus, tmp_path):
    """A copy of a run that was cut short, in the place of another."""
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, corpus, [stop])
    (folder,) = tmp_path.glob("l2*")
    config = replace(SHORT, arm="l2-0.0")
    place = tmp_path / config.identity(corpus.fingerprint, "cpu")
    folder.rename(place)
    assert saved_steps(place)
    lines = []
    history = run(config, corpus, tmp_path, CPU, log=lines.append)
    assert history.complete
    assert history.config == config
    assert "moved to" in lines[0]
    assert not any("resumes" in line for line in lines)
