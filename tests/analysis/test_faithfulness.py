"""The miniature beside the full runs: recomputed from the committed traces of both."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bitnet.analysis.markdown import quote
from bitnet.analysis.phenomena import DECISIVE, phenomena
from bitnet.analysis.results import load_plan, survey
from bitnet.analysis.summary import faithfulness, summary
from bitnet.committed import CHECKOUT
from bitnet.scales import MINIATURE

PLAN = load_plan(scale=MINIATURE)


@pytest.fixture(scope="module")
def small():
    """The committed runs of the miniature, in the order of its plan."""
    return survey(PLAN, CHECKOUT / MINIATURE.results)[0]


@pytest.fixture(scope="module")
def full():
    return survey(load_plan())[0]


def test_the_plan_has_five_pairs_of_seeds_and_every_run_is_there(small):
    assert {(run.seed, run.order) for run in PLAN.runs} == {(i, i) for i in range(5)}
    assert [history.config for history in small] == list(PLAN.runs)
    assert all(history.complete for history in small)


def test_the_page_quotes_what_the_runs_say(small, full, tmp_path):
    copy = Path(shutil.copy(CHECKOUT / "results" / "MINIATURE.md", tmp_path))
    text = f"{faithfulness(small, full)}\n\n{summary(PLAN, small)}"
    assert not quote(copy, text), "run make evidence"


def test_what_decides_is_among_the_phenomena_and_in_the_registered_plan(small):
    names = [phenomenon.name for phenomenon in phenomena(small)]
    assert set(DECISIVE) <= set(names)
    plan = (CHECKOUT / "results" / "PLAN-MINIATURE.md").read_text().replace("`", "")
    assert [name for name in names if name not in plan] == []
    assert "if the nine lines" in plan
    assert len(DECISIVE) == 9


def test_a_miniature_that_lacks_a_phenomenon_is_not_called_faithful(small, full):
    first = [run for run in small if run.config.seed == 0]
    assert "**Faithful in the phenomenon**" in faithfulness(first, full)
    lazy = [run for run in first if run.config.arm == "l2-0.05"]
    fixed = [replace(run, config=replace(run.config, arm="l2-0.0")) for run in lazy]
    others = [run for run in first if run.config.arm != "l2-0.0"]
    said = faithfulness([*others, *fixed], full)
    assert "**Not faithful in the phenomenon**, by the plan: l2-0.0, the fix, comes back" in said
