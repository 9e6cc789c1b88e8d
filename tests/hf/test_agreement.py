"""The agreement of an export: as near as the model is to itself, and far where it is another."""

import pytest
import torch

from bitnet.hf.agreement import Agreement, Difference, agreement
from tests.support.hf import KINDS, random_model, write

LENGTH = 8
pytestmark = pytest.mark.long("transformers")


@pytest.mark.parametrize("kind", KINDS)
def test_logits_lie_within_the_models_own_deviation(tmp_path, kind):
    model = random_model(kind)
    found = agreement(model, write(tmp_path / "out", model), LENGTH)
    assert found.positions == 64 * LENGTH
    assert 0 < found.own.median < 1e-4
    assert found.exported.median < 2 * found.own.median
    assert found.exported.beyond < found.own.beyond + 0.03  # a flip may come early in a window
    assert found.close


@pytest.mark.parametrize("kind", ["ternary", "full precision"])
def test_another_model_is_told(tmp_path, kind):
    model = random_model(kind)
    folder = write(tmp_path / "out", model)
    with torch.no_grad():
        model.blocks[1].feedforward.down.norm.weight.mul_(1.01)
    found = agreement(model, folder, LENGTH)
    assert found.exported.median > 100 * found.own.median
    assert not found.close


def test_a_dead_model_agrees_with_its_export():
    nothing = Difference(0.0, 0.0)
    assert Agreement(64, nothing, nothing).close


def test_it_is_written_as_a_line():
    assert (
        str(Difference(4.8e-6, 0.079)) == "median 4.8e-06, beyond 0.0001 at 7.9% of the positions"
    )
