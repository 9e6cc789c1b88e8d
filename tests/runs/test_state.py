"""Checkpoints with a right checksum that are of no use to the run: passed over, never loaded."""

from dataclasses import replace

import pytest
import torch

from bitnet.runs.checkpoint import latest, save
from bitnet.runs.state import check_state
from tests.support.equality import same
from tests.support.runs import SHORT, stop, train


@pytest.fixture(scope="module")
def whole(corpus, shared_runs):
    return train(shared_runs, corpus)[0]


@pytest.fixture
def cut(corpus, tmp_path):
    """The folder of a run that was stopped, with its checkpoint."""
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, corpus, callbacks=[stop])
    (folder,) = tmp_path.glob("l2*")
    return folder


def test_no_tensor_may_be_missing_added_or_of_another_shape(cut):
    found = latest(cut)
    check_state(SHORT, found)
    kinds = {name.partition(".")[0]: name for name in found.tensors}
    assert set(kinds) == {"model", "optimizer", "health"}
    for name in (*kinds.values(), "optimizer.0.step", "optimizer.1.exp_avg"):
        tensor = found.tensors[name]
        for changed in (None, tensor[None]):
            tensors = dict(found.tensors)
            tensors.pop(name)
            tensors |= {} if changed is None else {name: changed}
            with pytest.raises(ValueError, match=name.replace(".", r"\.")):
                check_state(SHORT, replace(found, tensors=tensors))
    with pytest.raises(ValueError, match=r"model\.more is none of this run's"):
        more = {**found.tensors, "model.more": torch.zeros(1)}
        check_state(SHORT, replace(found, tensors=more))


@pytest.mark.parametrize("rows", [{}, [{}], ["row"], [None], "double", "late"])
def test_its_rows_have_to_be_those_of_the_run(cut, rows):
    found = latest(cut)
    if rows == "double":
        rows = [*found.rows, found.rows[-1]]
    elif rows == "late":
        rows = [*found.rows[:-1], found.rows[-1] | {"step": found.step + 1}]
    with pytest.raises(ValueError, match=r"rows"):
        check_state(SHORT, replace(found, rows=rows))


def test_the_checkpoint_before_is_taken_instead_and_the_run_ends_the_same(whole, cut, corpus):
    found = latest(cut)
    tensors = {n: t for n, t in found.tensors.items() if n != "optimizer.0.exp_avg"}
    save(cut, replace(found, step=found.step + 1, tensors=tensors))
    history, lines = train(cut.parent, corpus)
    assert "damaged checkpoint passed over (optimizer.0.exp_avg is missing)" in lines[0]
    assert f"resumes from step {found.step}" in lines[1]
    assert same(history, whole)


def test_a_checkpoint_of_another_run_is_passed_over(cut, tmp_path):
    other = tmp_path / "other"
    cut.rename(other)
    lines = []
    assert latest(other, lines.append) is None
    assert f"it is of {cut.name}" in lines[0]


@pytest.mark.parametrize(
    ("name", "change", "why"),
    [
        ("model.lm_head.weight", lambda t: t.double(), "another shape or type"),
        ("model.lm_head.weight", lambda t: t * torch.nan, "holds what no run has"),
        ("optimizer.0.exp_avg", lambda t: t / 0, "holds what no run has"),
        ("optimizer.0.exp_avg_sq", lambda t: t - 1, "holds what no run has"),
        ("optimizer.3.step", lambda t: t + 1, "holds what no run has"),
        ("health.0.blocks.0.feedforward.down", lambda t: t + 3, "holds what no run has"),
    ],
)
def test_its_values_have_to_be_those_that_a_run_may_have(cut, name, change, why):
    found = latest(cut)
    tensors = found.tensors | {name: change(found.tensors[name])}
    with pytest.raises(ValueError, match=f"{name}.*{why}"):
        check_state(SHORT, replace(found, tensors=tensors))


def test_its_rows_are_those_of_the_evaluations_up_to_its_step(cut):
    found = latest(cut)
    with pytest.raises(ValueError, match="its rows are not of the evaluations"):
        check_state(SHORT, replace(found, rows=found.rows[:-1]))
    for step in (0, SHORT.steps + 1):
        with pytest.raises(ValueError, match=f"step {step} is none of its 20"):
            check_state(SHORT, replace(found, step=step))
