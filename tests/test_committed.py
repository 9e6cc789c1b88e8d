"""What is committed beside the package is found in a checkout, and inside an installed wheel."""

from pathlib import Path

import pytest

import bitnet.committed as module
from bitnet.__main__ import main
from bitnet.committed import NoCheckoutError, checkout, committed, in_checkout
from bitnet.runs.history import default_runs_dir

ROOT = Path(__file__).parent.parent


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """As in the folder of an installed package."""
    monkeypatch.setattr(module, "_WHEEL", tmp_path)
    monkeypatch.delenv("BITNET_RUNS", raising=False)
    return tmp_path


def test_a_checkout_has_it_beside_the_package():
    assert committed("params/plan.yaml") == ROOT / "params" / "plan.yaml"
    assert in_checkout()
    assert checkout() == ROOT


def test_a_wheel_has_it_inside_and_keeps_runs_where_one_is(wheel, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert committed("params/plan.yaml") == wheel / "params" / "plan.yaml"
    assert not in_checkout()
    with pytest.raises(NoCheckoutError):
        checkout()
    assert default_runs_dir() == tmp_path / "runs"


@pytest.mark.parametrize(
    "words", [["evidence", "--publish"], ["baselines", "--publish"], ["story"]]
)
def test_what_is_published_needs_a_checkout(wheel, capsys, words):
    assert main(words) == 1
    said = capsys.readouterr().err
    assert said.startswith("NoCheckoutError: only a checkout of the project")
    assert said.count("\n") == 1
    assert list(wheel.iterdir()) == []
