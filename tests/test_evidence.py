"""The committed evidence: whole, judged anew, and quoted correctly wherever it is quoted."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bitnet import HistoryError
from bitnet.__main__ import main
from bitnet.account import account, headline, quote
from bitnet.checks import ParameterError
from bitnet.evidence import collect, load_evidence, load_plan, survey
from bitnet.history import HistoryWriter
from bitnet.sweep import Sweep
from bitnet.train import Record

ROOT = Path(__file__).parent.parent
EVIDENCE, PLAN = load_evidence(), load_plan()
IN_ORDER = survey(PLAN)[0]


def test_every_committed_run_is_complete_and_belongs_to_the_plan():
    assert EVIDENCE
    for history in EVIDENCE:
        assert history.complete, history.folder
        assert history.config in PLAN.runs, history.folder
        assert history.folder.name == history.manifest["identity"]


@pytest.mark.parametrize(("name", "write"), [("README.md", headline), ("results/README.md", account)])
def test_documents_quote_what_the_runs_say(name, write, tmp_path):
    copy = tmp_path / "page.md"
    copy.write_text((ROOT / name).read_text())
    assert not quote(copy, write(PLAN, IN_ORDER)), "run make evidence"
    assert quote(copy, "something else")
    with pytest.raises(ValueError, match="no place for the evidence"):
        quote(Path(shutil.copy(ROOT / "LOG.md", tmp_path)), "something")


def test_the_account_names_runs_verdicts_readings_and_what_is_missing(tiny_runs):
    whole, other = tiny_runs["l2-0.0", 0], tiny_runs["l2-0.05", 0]
    lines = account(Sweep((whole.config, other.config)), [whole]).splitlines()
    assert "- `l2-0.05`, hidden 8, 40 steps, seed 0" in lines
    assert len([line for line in lines if line.startswith("| `l2-0.0` | 8 | 40 | 0 | ")]) == 1
    assert (
        sum("**inconclusive**: l2-0.0 at hidden 8, seed 0 fails" in line or "**inconclusive**" in line for line in lines) == 2
    )
    assert len([line for line in lines if "**not known**" in line]) >= 4
    assert "Nothing: every run of the plan is there." in account(Sweep((whole.config,)), [whole])


def test_the_account_shows_intervals_only_where_there_are_several_seeds(tiny_runs):
    one, two = tiny_runs["l2-0.0", 0], tiny_runs["l2-0.0", 1]
    sweep = Sweep((one.config, two.config))
    assert "One seed each so far: no interval." in account(sweep, [one])
    (line,) = (line for line in account(sweep, [one, two]).splitlines() if line.startswith("| `l2-0.0` | 8 | 40 | 2 |"))
    losses = sorted(float(h.measures.val_loss.iloc[-1]) for h in (one, two))
    assert f"| {sum(losses) / 2:.3g} [{losses[0]:.3g}, {losses[1]:.3g}] |" in line


def test_the_account_answers_the_checklist_for_full_length_runs_of_the_fix_only(tiny_runs):
    short = tiny_runs["l2-0.0", 0]
    assert "No complete run of l2-0.0." in account(Sweep((short.config,)), [short])
    lines = account(PLAN, IN_ORDER).splitlines()
    full = [h for h in IN_ORDER if h.complete and h.config.arm == "l2-0.0" and h.config.steps == 20_000]
    for history in full:
        start = f"| {history.config.hidden} | {history.config.seed} | after the switch | 11000 | more than 8 (recovery) |"
        (line,) = (line for line in lines if line.startswith(start))
        assert f" {int(history.at(11_000)['unique_predictions'])} |" in line


def facts(history, **changed):
    return {name: history.manifest[name] for name in ("identity", "corpus", "device")} | changed


def repeated(history, folder, changed):
    """The same run in another folder, as if trained anew with other facts."""
    with HistoryWriter(folder, history.config, facts(history, **changed), history.references) as writer:
        for row, health, said in zip(history.rows(), history.health.to_dict("records"), history.snapshots, strict=True):
            writer(Record(int(row["step"]), row["loss"], row["lr"], row["wd"], row, health, said))


def test_finished_runs_are_collected_without_their_weights_and_never_replaced(tiny_runs, tmp_path):
    whole, cut = tiny_runs["l2-0.0", 0], tiny_runs["l2-0.05", 0]
    (tmp_path / "results").mkdir()
    with HistoryWriter(tmp_path / "cut" / cut.folder.name, cut.config, facts(cut), cut.references):
        pass
    sweep = Sweep((whole.config, cut.config))
    assert collect(sweep, tmp_path / "cut", tmp_path / "results") == []
    assert collect(sweep, whole.folder.parent, tmp_path / "results") == [whole.folder.name, cut.folder.name]
    (copied,) = (path for path in (tmp_path / "results").iterdir() if path.name == whole.folder.name)
    assert sorted(path.name for path in copied.iterdir()) == [
        "health.csv", "manifest.json", "measures.csv", "snapshots.jsonl", "trace.csv"
    ]  # fmt: skip
    assert load_evidence(tmp_path / "results")[0].complete
    assert collect(sweep, whole.folder.parent, tmp_path / "results") == []


def test_a_run_repeated_on_another_device_does_not_count_twice(tiny_runs, tmp_path):
    whole = tiny_runs["l2-0.0", 0]
    sweep = Sweep((whole.config,))
    shutil.copytree(whole.folder, tmp_path / "results" / whole.folder.name)
    device = whole.manifest["device"] | {"kind": "cuda"}
    name = whole.config.identity(whole.manifest["corpus"]["fingerprint"], "cuda", device["precision"])
    repeated(whole, tmp_path / "gpu" / name, {"identity": name, "device": device})
    assert collect(sweep, tmp_path / "gpu", tmp_path / "results") == []
    assert collect(sweep, tmp_path / "gpu", tmp_path / "other results") == [name]


def test_a_run_of_an_older_recipe_is_no_evidence(tiny_runs, tmp_path, monkeypatch):
    whole = tiny_runs["l2-0.0", 0]
    monkeypatch.setattr("bitnet.config.RECIPE_VERSION", 99)
    assert collect(Sweep((whole.config,)), whole.folder.parent, tmp_path / "results") == []
    with pytest.raises(HistoryError, match="no readable run"):
        survey(Sweep((whole.config,)), whole.folder.parent)


def test_the_account_in_the_terminal(capsys):
    assert main(["evidence"]) == 0
    assert capsys.readouterr().out.strip() == account(PLAN, IN_ORDER)


def test_the_committed_files_hold_no_text_of_the_corpus():
    """Run folders name tokens by number; what they say of text is decoded only when someone looks."""
    for path in (ROOT / "results" / "runs").glob("*/snapshots.jsonl"):
        assert not set(path.read_text()) - set('0123456789.,:[]{}" e-+_abcdefghijklmnopqrstuvwxyz\n')


def test_no_evidence_is_one_line(tmp_path):
    with pytest.raises(HistoryError, match="no committed runs here"):
        load_evidence(tmp_path)


def test_a_survey_says_of_every_run_of_a_plan_what_was_found(tiny_runs, tmp_path):
    whole, cut, spoiled = (tiny_runs[arm, 0] for arm in ("l2-0.05", "l2-0.0", "adamw-0.0"))
    for history in (whole, spoiled):
        shutil.copytree(history.folder, tmp_path / history.folder.name)
    (tmp_path / spoiled.folder.name / "trace.csv").write_text("not what it was")
    with HistoryWriter(tmp_path / cut.folder.name, cut.config, facts(cut), cut.references):
        pass
    runs = (whole.config, cut.config, spoiled.config, replace(whole.config, seed=1))
    histories, table = survey(Sweep(runs), tmp_path)
    assert [h.config for h in histories] == [whole.config, cut.config]
    assert table.found.tolist()[0] == "complete"
    assert table.found[1] == "stopped, not evaluated yet"
    assert table.found[2].startswith("damaged: ") and "trace.csv does not match its checksum" in table.found[2]
    assert table.found[3] == "missing"


def test_a_folder_without_a_run_of_the_plan_is_one_line(tmp_path):
    with pytest.raises(HistoryError, match="holds no readable run of this sweep"):
        survey(PLAN, tmp_path)
    with pytest.raises(ParameterError, match="cannot be read"):
        load_plan(tmp_path / "plan.yaml")
