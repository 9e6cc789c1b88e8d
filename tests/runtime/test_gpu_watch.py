"""The look at a GPU while runs train, with the driver's tool played."""

import threading

import pytest

from bitnet.runtime import gpu_watch
from bitnet.runtime.gpu_watch import GpuWatch, ask_nvidia_smi

NAME = "NVIDIA GeForce RTX 3060, 550.54, 12288"


def watched(*looks):
    """A watch that saw these lines, one look each."""
    lines = iter(looks)
    watch = GpuWatch(lambda: next(lines))
    for _ in looks:
        watch.look()
    return watch


def line(busy="80", heat="60", reasons="0x0000000000000001"):
    return f"{NAME}, {busy}, {heat}, 1700, 2100, {reasons}\n"


def test_a_gpu_that_is_used_and_not_slowed_down_gives_no_warning():
    watch = watched(line(), line("97"), line("3"))
    assert watch.warnings() == []
    assert watch.facts() == {
        "name": "NVIDIA GeForce RTX 3060",
        "driver_version": "550.54",
        "memory.total": "12288",
        "utilization.gpu": {"least": 3, "median": 80, "most": 97},
        "temperature.gpu": {"least": 60, "median": 60, "most": 60},
        "clocks.sm": {"least": 1700, "median": 1700, "most": 1700},
        "clocks.max.sm": 2100,
        "looks": 3,
    }


@pytest.mark.parametrize(
    ("looks", "warning"),
    [
        ([line("2"), line("0"), line("90")], "hardly used: it was busy for 2 % of the time"),
        ([line(), line(heat="91", reasons="0x40")], "by heat in 1 of 2 looks, at up to 91 C"),
        ([line(reasons="0x0000000000000024")] * 2, "by heat in 2 of 2 looks"),
        ([line(reasons="0x4")] * 3, "by its power limit in 3 of 3 looks, at up to 60 C"),
        ([line(reasons="0x80")], "by its power supply in 1 of 1 looks"),
        ([""], "nvidia-smi told nothing"),
        (["No devices were found\n"], "nvidia-smi told nothing"),
    ],
)
def test_what_makes_runs_slow_is_a_warning(looks, warning):
    assert warning in "; ".join(watched(*looks).warnings())


def test_a_rare_slowdown_and_what_a_card_does_not_tell_are_no_warning():
    often = [line()] * 19
    assert watched(*often, line(reasons="0x40")).warnings() == []
    assert watched(line(heat="[N/A]", reasons="[N/A]")).warnings() == []


def test_of_several_gpus_the_busiest_is_seen():
    assert watched(line("1") + line("88")).facts()["utilization.gpu"]["median"] == 88


def test_it_looks_while_the_work_is_done(monkeypatch):
    monkeypatch.setattr(gpu_watch, "SECONDS", 0.001)
    looked = threading.Event()

    def ask():
        looked.set()
        return line()

    with GpuWatch(ask) as watch:
        assert looked.wait(60)
    assert watch.looks


def test_without_the_tool_nothing_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ask_nvidia_smi() == ""
