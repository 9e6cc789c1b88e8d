"""The folder of a report: what it may replace, who writes it, and what is found out early."""

import errno
from pathlib import Path

import pytest

from bitnet import HistoryError, ParameterError, Plan
from bitnet.display.report_folder import PAGE, TRACES, VERDICT, claim_report, place_for
from tests.support.processes import start
from tests.support.reports import put, put_when_told


@pytest.fixture
def plan(tmp_path):
    return Plan(hidden=8, steps=8, device="cpu", runs_dir=tmp_path / "runs")


def full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_report_replaces_a_report_and_whatever_lies_in_it_is_kept(plan, tmp_path):
    folder = tmp_path / "report"
    for said in ("1", "2", "3"):
        assert claim_report(plan, folder) == folder
        assert not folder.exists()
        put(folder, said)
        (folder / "notes.md").write_text(f"years of work {said}")
    for name, said in (("report", "3"), ("report.previous-2", "2"), ("report.previous", "1")):
        assert (tmp_path / name / VERDICT).read_text() == said
        assert (tmp_path / name / "notes.md").read_text() == f"years of work {said}"


def test_without_a_name_it_is_in_the_runs_folder_and_named_after_the_plan(plan, tmp_path):
    assert claim_report(plan) == tmp_path / "runs" / "reports" / plan.name
    assert claim_report(plan, str(tmp_path / "mine")) == tmp_path / "mine"


@pytest.mark.parametrize("name", ["../thesis", "../runs", ".", "..", "../file", "link"])
def test_what_is_no_report_is_refused_before_anything_is_trained(plan, tmp_path, monkeypatch, name):
    for folder in ("thesis", "runs/l2-0.0-h8-t8-s0", "cwd"):
        (tmp_path / folder).mkdir(parents=True)
    for folder in ("thesis", "runs"):  # which is not yet a report
        (tmp_path / folder / VERDICT).write_text("{}")
    (tmp_path / "file").touch()
    (tmp_path / "cwd" / "link").symlink_to(tmp_path, target_is_directory=True)
    monkeypatch.chdir(tmp_path / "cwd")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises((HistoryError, ParameterError)) as error:
        claim_report(plan, name)
    assert "\n" not in str(error.value)
    assert [path for path in sorted(tmp_path.rglob("*")) if path.suffix != ".lock"] == before


def test_a_folder_that_will_hold_the_runs_is_refused_before_there_are_any(tmp_path, monkeypatch):
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    plan = Plan(hidden=8, steps=8, device="cpu", runs_dir=tmp_path / "new" / "runs")
    for where, what in ((tmp_path / "new", "runs"), (".", "current")):
        with pytest.raises(ParameterError, match=f"holds the {what} folder"):
            claim_report(plan, where)


def test_links_are_followed_to_where_a_report_can_be(plan, tmp_path):
    for name in ("empty", "dangling"):
        (tmp_path / name).symlink_to(tmp_path / f"target of {name}")
    (tmp_path / "target of empty").mkdir()
    for name in ("empty", "dangling"):
        put(claim_report(plan, tmp_path / name).resolve())
        assert (tmp_path / name / VERDICT).exists()
        assert (tmp_path / name).is_symlink()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises((HistoryError, ParameterError)) as error:
        claim_report(plan, tmp_path / "loop")
    assert "\n" not in str(error.value)


def test_a_full_disk_is_one_line_before_anything_is_trained(plan, tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(HistoryError, match=r"No space left on device\); make room") as error:
        claim_report(plan, tmp_path / "report")
    assert "\n" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == [".report.lock"]


def test_a_disk_that_is_full_only_then_leaves_nothing_half_done(tmp_path):
    put(tmp_path / "report", "earlier")
    with (
        pytest.raises(HistoryError, match="No space left on device"),
        place_for(tmp_path / "report") as partial,
    ):
        (partial / VERDICT).write_text("half")
        full()
    assert {path.name for path in tmp_path.iterdir()} == {".report.lock", "report.previous"}
    assert (tmp_path / "report.previous" / VERDICT).read_text() == "earlier"


def test_what_a_killed_process_left_is_gone_at_the_next_start(plan, tmp_path):
    left = tmp_path / ".report.tmp"
    (left / TRACES).mkdir(parents=True)
    (left / PAGE).write_text("half a page")
    claim_report(plan, tmp_path / "report")
    assert not left.exists()


def test_four_processes_at_one_report_end_with_four_reports(tmp_path):
    folder = tmp_path / "report"
    workers = [start(put_when_told, folder, str(number)) for number in range(4)]
    for _, connection in workers:
        assert connection.recv() == "ready"
    for _, connection in workers:
        connection.send("go")
    assert [connection.recv() for _, connection in workers] == [""] * 4
    for process, _ in workers:
        process.join()
    found = [path / VERDICT for path in tmp_path.glob("report*")]
    assert sorted(path.read_text() for path in found) == ["0", "1", "2", "3"]


@pytest.mark.parametrize("linked", ["reports", "reports/named", "reports/plan"])
def test_a_link_in_the_runs_folder_is_not_followed(plan, tmp_path, linked):
    """Whoever sends a runs folder could have a report written over something else."""
    runs, victim = tmp_path / "runs", tmp_path / "victim"
    victim.mkdir()
    link = runs / linked.replace("plan", plan.name)
    link.parent.mkdir(parents=True)
    link.symlink_to(victim)
    chosen = "" if linked == "reports/plan" else runs / "reports" / "named"
    with pytest.raises(ParameterError, match=r"report_dir = .* is a symbolic link"):
        claim_report(plan, chosen)
    assert list(victim.iterdir()) == []
