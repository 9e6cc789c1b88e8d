"""Scales: which is chosen, which a run is of, and when it is as long as the plan."""

from dataclasses import replace

import pytest

from bitnet import ParameterError, RunConfig
from bitnet.scales import FULL, MINIATURE, SCALES, choose_scale, full_length, scale_of

BRIEF = RunConfig("l2-0.0")
SMALL = RunConfig("l2-0.0", hidden=64, vocabulary=4096, batch_size=8, steps=6000)


def test_auto_is_full_on_a_gpu_and_miniature_on_a_cpu():
    assert choose_scale("auto", on_gpu=True) is FULL
    assert choose_scale("auto", on_gpu=False) is MINIATURE


@pytest.mark.parametrize("on_gpu", [True, False])
@pytest.mark.parametrize("name", SCALES)
def test_a_named_scale_is_that_one_on_every_device(name, on_gpu):
    assert choose_scale(name, on_gpu).name == name


@pytest.mark.parametrize("name", ["", "Full", "quick", None, 1, ["full"]], ids=str)
def test_any_other_name_is_refused_in_one_line(name):
    with pytest.raises(ParameterError) as error:
        choose_scale(name, on_gpu=False)
    assert str(error.value).startswith(f"scale = {name!r}: must be one of auto, full, miniature")
    assert "\n" not in str(error.value)


def test_a_run_belongs_to_the_scale_of_its_vocabulary_and_batch():
    assert scale_of(BRIEF) is FULL
    assert scale_of(SMALL) is MINIATURE


@pytest.mark.parametrize("change", [{"hidden": 512}, {"steps": 100}, {"seed": 1}, {"order": 1}])
@pytest.mark.parametrize("config", [BRIEF, SMALL], ids=["full", "miniature"])
def test_width_length_and_seeds_leave_a_run_in_its_scale(config, change):
    assert scale_of(replace(config, **change)) is scale_of(config)


@pytest.mark.parametrize(
    "change", [{"vocabulary": 2048}, {"batch_size": 16}, {"sequence_length": 64}]
)
@pytest.mark.parametrize("config", [BRIEF, SMALL], ids=["full", "miniature"])
def test_another_vocabulary_or_batch_is_of_no_scale_and_never_of_full_length(config, change):
    other = replace(config, steps=10**6, **change)
    assert scale_of(other) is None
    assert not full_length(other)


def test_full_length_is_that_of_the_scale():
    """6000 updates are the whole of the miniature and too short for the brief's size."""
    assert full_length(SMALL)
    assert not full_length(replace(SMALL, steps=5999))
    assert not full_length(replace(BRIEF, steps=6000))
    assert not full_length(replace(BRIEF, steps=19_999))
    assert full_length(BRIEF)
    assert full_length(replace(BRIEF, steps=40_000))
