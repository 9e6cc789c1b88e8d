"""Which tokens an update sees: consecutive pieces, or windows in a shuffled order."""

import pytest
import torch

from bitnet.batches import Batches
from bitnet.config import RunConfig

SHUFFLED = {"base": "adamw-0.0", "windows": "shuffled"}


def batches(arm, tokens, batch_size=2, length=3, order=0):
    config = RunConfig(arm, batch_size=batch_size, sequence_length=length, order=order)
    return Batches(config, torch.arange(tokens))


def test_batches_are_consecutive_and_wrap_around():
    batch = batches("adamw-0.0", 10)
    assert batch(1).tolist() == [[0, 1, 2], [3, 4, 5]]
    assert batch(2).tolist() == [[6, 7, 8], [9, 0, 1]]
    assert batch(3).tolist() == [[2, 3, 4], [5, 6, 7]]


def test_an_epoch_of_shuffled_windows_has_every_window_at_most_once():
    batch = batches(SHUFFLED, 100)  # room for 32 windows wherever the first begins: 16 batches
    epochs = [torch.cat([batch(16 * e + t) for t in range(1, 17)]) for e in range(3)]
    for windows in epochs:
        assert (windows == windows[:, :1] + torch.arange(3)).all()  # unbroken text
        assert len(windows.unique()) == windows.numel()
        assert windows.tolist() != sorted(windows.tolist())
    assert epochs[0].tolist() != epochs[1].tolist()
    # Windows are cut at another place in another epoch, so that every token is predicted.
    assert len({int(windows.min()) % 3 for windows in epochs}) > 1


def test_a_batch_depends_on_its_number_and_the_order_alone():
    forward, backward = batches(SHUFFLED, 100), batches(SHUFFLED, 100)
    steps = range(1, 40)
    seen = {t: forward(t).tolist() for t in steps}
    assert {t: backward(t).tolist() for t in reversed(steps)} == seen
    other = batches(SHUFFLED, 100, order=1)
    assert {t: other(t).tolist() for t in steps} != seen


@pytest.mark.parametrize("tokens", [7, 20, 29])
def test_a_text_of_few_windows_is_enough(tokens):
    batch = batches(SHUFFLED, tokens, batch_size=4)
    for t in range(1, 6):
        ids = batch(t)
        assert ids.shape == (4, 3)
        assert (ids == ids[:, :1] + torch.arange(3)).all()
