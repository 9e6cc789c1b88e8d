"""A training update as one CUDA graph, so that its many small kernels are launched together."""

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["StepGraph", "capture_cuda"]

# Updates before a capture, one kernel at a time: optimizer and allocator create their state then.
WARMUP = 3

Work = Callable[[], Tensor]


class StepGraph:
    """Runs an update that reads and writes fixed tensors by replaying it.

    Numbers that are no tensors are baked into a graph as it is captured. `baked` names them: when
    it changes, as the weight decay does at the stage switch, the next call captures anew. `capture`
    and `warm_up` can be replaced by ones that need no GPU.
    """

    def __init__(
        self,
        capture: Callable[[Work], tuple[Callable[[], None], Tensor]] | None = None,
        warm_up: Callable[[Work], Tensor] | None = None,
    ):
        self.capture, self.warm_up = capture or capture_cuda, warm_up or warm_up_cuda
        self.calls = 0
        self.baked: object = None
        self.replay: Callable[[], None] | None = None
        self.output: Tensor | None = None

    def __call__(self, work: Work, baked: object) -> Tensor:
        """One update, always the same `work`; its output is overwritten by the next.

        `work` is not kept: a trainer whose graph knew the trainer would hold the GPU's memory until
        the next collection.
        """
        self.calls += 1
        if self.calls <= WARMUP:
            return self.warm_up(work)
        if self.replay is None or baked != self.baked:
            self.replay = self.output = None  # lets go of the old graph before there is a new one
            self.replay, self.output = self.capture(work)
            self.baked = baked
        self.replay()
        assert self.output is not None
        return self.output


def capture_cuda(work: Work) -> tuple[Callable[[], None], Tensor]:
    """Record `work` as a CUDA graph without running it: the replay, and the tensor it fills.

    On the current device, which has to be that of the tensors: on a stream of another one nothing
    would be recorded.
    """
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(
        graph, stream=torch.cuda.Stream()
    ):  # torch's own stream is of the device first captured on
        output = work()
    return graph.replay, output


def warm_up_cuda(work: Work) -> Tensor:
    """Run `work` on a stream of its own, as a capture will."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        output = work()
    torch.cuda.current_stream().wait_stream(stream)
    return output
