"""The captured update: with a recorder in the place of CUDA, and on CUDA itself."""

import gc
import weakref

import pytest
import torch

from bitnet import RunConfig, Trainer
from bitnet.evaluation.evaluate import Evaluation
from bitnet.runtime.backend import Backend, choose
from bitnet.runtime.cuda_graph import WARMUP, StepGraph

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


def losses(config, corpus, device, *, graphs):
    """As a run trains, with the evaluations between the updates."""
    backend = Backend(torch.device(device), graphs=graphs)
    return [r.loss for r in Trainer(config, corpus, backend, Evaluation(config, corpus))]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("arm", ["l2-0.05", "adamw-0.0"])
def test_cuda_graphs_follow_plain_cuda_updates(corpus, arm):
    """Across the switch, on every GPU in turn; atomic sums in the embedding's gradient may differ
    in their last bits.
    """
    config = RunConfig(arm, steps=40, **SMALL)
    for index in range(torch.cuda.device_count()):
        device = f"cuda:{index}"
        plain, graphed = (losses(config, corpus, device, graphs=on) for on in (False, True))
        assert graphed == pytest.approx(plain, abs=1e-4), index


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_strict_run_repeats_bit_by_bit_on_cuda(corpus):
    config, backend = RunConfig("l2-0.05", steps=40, **SMALL), choose("cuda", strict=True)
    first, second = (
        [r.loss for r in Trainer(config, corpus, backend, Evaluation(config, corpus))]
        for _ in range(2)
    )
    assert first == second
