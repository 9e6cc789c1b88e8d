"""The captured update: with a recorder in the place of CUDA, and on a GPU or one in software."""

import gc
import weakref

import pytest
import torch

from bitnet import RunConfig, Trainer, train
from bitnet.evaluation.evaluate import Evaluation
from bitnet.runtime.backend import Backend, choose
from bitnet.runtime.cuda_graph import WARMUP, StepGraph, capture_cuda
from bitnet.train import clip_scale

SMALL = {"hidden": 32, "layers": 2, "heads": 2, "probe_positions": 300}


class Recorder:
    """A capture that, like CUDA's, runs nothing itself, and replays with the numbers baked in."""

    def __init__(self, group):
        self.group, self.captures = group, []

    def __call__(self, work):
        decay = self.group["weight_decay"]
        self.captures.append(decay)
        output = torch.zeros(())

        def replay():
            now, self.group["weight_decay"] = self.group["weight_decay"], decay
            output.copy_(work())
            self.group["weight_decay"] = now

        return replay, output


def trainers(corpus, arm):
    config = RunConfig(arm, steps=20, **SMALL)
    plain, graphed = (Trainer(config, corpus, Backend(torch.device("cpu"))) for _ in range(2))
    recorder = Recorder(graphed.optimizer.param_groups[0])
    graphed.graph = StepGraph(recorder, lambda work: work())
    return plain, graphed, recorder


@pytest.mark.parametrize(
    ("arm", "captures"), [("l2-0.05", [0.1, 0.05]), ("l2-0.1", [0.1]), ("no-decay", [0.0])]
)
def test_replayed_updates_are_the_plain_ones_across_the_switch(corpus, arm, captures):
    plain, graphed, recorder = trainers(corpus, arm)
    for step in range(1, 21):
        assert graphed.update(step).item() == plain.update(step).item(), step
    for a, b in zip(plain.model.parameters(), graphed.model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert recorder.captures == captures


def test_a_graph_that_is_not_captured_anew_would_be_seen(corpus):
    """The recorder bakes the decay as CUDA does: without a new capture the runs part."""
    plain, graphed, _ = trainers(corpus, "l2-0.05")
    graph = graphed.graph
    graphed.graph = lambda work, baked: graph(work, baked="never changes")
    parted = [
        step for step in range(1, 21) if graphed.update(step).item() != plain.update(step).item()
    ]
    assert parted
    assert min(parted) > 11


def test_the_first_updates_are_not_captured():
    warmed, captured = [], []

    def capture(work):
        captured.append(work)
        return (lambda: None), work()

    def warm_up(work):
        warmed.append(work)
        return work()

    graph = StepGraph(capture, warm_up)
    for _ in range(WARMUP + 4):
        graph(lambda: torch.zeros(()), baked=0.1)
    assert (len(warmed), len(captured)) == (WARMUP, 1)


def test_a_trainer_is_freed_as_its_last_name_goes(corpus):
    """Nothing in it refers back to it: its memory on a GPU would wait for a collection."""
    trainer = Trainer(RunConfig("l2-0.05", steps=20, **SMALL), corpus, Backend(torch.device("cpu")))
    trainer.graph = StepGraph(lambda work: ((lambda: None), work()), lambda work: work())
    for step in range(1, WARMUP + 3):
        trainer.update(step)
    gone = weakref.ref(trainer)
    gc.disable()
    try:
        del trainer
        assert gone() is None
    finally:
        gc.enable()


class Health(Evaluation):
    """Of an evaluation what reads the gradients that a graph fills; the rest takes a second."""

    def __call__(self, model, wd):
        return {}, self.health(model, wd), None


def records(config, corpus, backend):
    """As a run trains, with the evaluations between the updates."""
    return list(Trainer(config, corpus, backend, Health(config, corpus)))


@pytest.mark.parametrize("arm", ["l2-0.05", "adamw-0.0"])
def test_cuda_graphs_follow_plain_cuda_updates(corpus, gpu, arm):
    """Across the switch, on every GPU in turn; atomic sums in the embedding's gradient may differ
    in their last bits.
    """
    config = RunConfig(arm, steps=16, **(SMALL | {"layers": 1}))
    for index in range(torch.cuda.device_count()):
        device = torch.device("cuda", index)
        plain, graphed = (
            records(config, corpus, Backend(device, graphs=graphs)) for graphs in (False, True)
        )
        for a, b in zip(plain, graphed, strict=True):
            assert b.loss == pytest.approx(a.loss, abs=1e-4), (index, a.step)
            for group in ("head", "ternary"):
                name = f"gradient.{group}"
                assert b.health[name] == pytest.approx(a.health[name], rel=1e-2), (index, a.step)


def test_a_strict_run_repeats_bit_by_bit_on_cuda(corpus, gpu):
    config = RunConfig("l2-0.05", steps=10, **(SMALL | {"layers": 1}))
    first, second = (records(config, corpus, choose("cuda", strict=True)) for _ in range(2))
    assert [r.loss for r in first] == [r.loss for r in second]


def test_a_capture_runs_nothing_and_keeps_the_numbers_of_its_time(gpu):
    total, rate = torch.zeros(3, device="cuda"), 1.0
    replay, output = capture_cuda(lambda: total.add_(rate).sum())
    assert total.tolist() == [0, 0, 0]
    rate = 100.0
    for _ in range(2):
        replay()
    assert (total.tolist(), output.item()) == ([2, 2, 2], 6)


def waits(scale):
    return scale if scale.item() > 1 else scale / scale


@pytest.mark.parametrize(
    "fault", [waits, lambda scale: scale.cpu().to(scale.device), lambda scale: scale[scale > 0][0]]
)
def test_what_waits_for_the_device_is_refused_by_a_capture(corpus, gpu, monkeypatch, fault):
    """A fault sown into the update: the number it divides the gradients by is looked at."""
    monkeypatch.setattr(train, "clip_scale", lambda *rest: fault(clip_scale(*rest)))
    trainer = Trainer(RunConfig("l2-0.05", steps=20, **SMALL), corpus, choose("cuda"))
    for step in range(1, WARMUP + 1):
        trainer.update(step)
    with pytest.raises(RuntimeError, match="not permitted when stream is capturing"):
        trainer.update(WARMUP + 1)
