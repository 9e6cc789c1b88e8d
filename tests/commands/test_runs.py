"""`bitnet runs`: a line for each run of a folder, whatever its state."""

import shutil

from bitnet.__main__ import main
from bitnet.committed import CHECKOUT


def test_every_run_has_a_line_with_its_state(study, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    capsys.readouterr()
    assert main(["runs", str(study[1])]) == 0
    out = capsys.readouterr().out
    assert f"3 runs in {study[1]}" in out.replace("\n", "")
    for arm in ("l2-0.05-h16-v300", "l2-0.0-h16-v300", "adamw-0.0-h16-v300"):
        (line,) = (line for line in out.splitlines() if arm in line)
        assert "complete" in line
        assert " 16 " in line


def test_a_damaged_run_is_named_and_the_others_are_shown(study, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    shutil.copytree(study[1], tmp_path / "runs")
    damaged = next((tmp_path / "runs").glob("l2-0.05*/measures.csv"))
    damaged.write_text(damaged.read_text().replace("1", "2"))
    capsys.readouterr()
    assert main(["runs", str(tmp_path / "runs")]) == 0
    out = capsys.readouterr().out
    assert "cannot be read" in out
    assert "adamw-0.0" in out


def test_a_folder_without_runs_is_one_line(tmp_path, capsys):
    assert main(["runs", str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        f"HistoryError: {tmp_path}: holds no runs; `bitnet verify` trains some\n"
    )


def test_before_there_are_any_it_lists_those_that_come_with_the_project(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("BITNET_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["runs"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head == f"No runs in {tmp_path / 'runs'} yet; these come with the project."
    results = [CHECKOUT / "results" / name for name in ("runs", "miniature-runs")]
    assert len(lines) == 1 + sum(len(list(folder.iterdir())) for folder in results)
    assert all(" complete " in line for line in lines[1:])


def test_what_a_stranger_wrote_is_shown_and_not_obeyed(study, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    (one, *_) = study[1].glob("l2-0.05*")
    shutil.copytree(one, tmp_path / "rd[" / "B]\x1b[1m")
    manifest = tmp_path / "rd[" / "B]\x1b[1m" / "manifest.json"
    manifest.write_text('{"\x1b]52;c;": "[/B]"}')
    assert main(["runs", str(tmp_path / "rd[")]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "B]\\x1b[1m" in out
    assert main(["runs", "x[/B]\x1b"]) == 1
    assert capsys.readouterr().err.startswith("HistoryError: x[/B]\\x1b: holds no runs")
