"""What a machine can do at best, and what a process takes of it: time and memory."""

import re
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from bitnet.runtime.kernels import product

__all__ = ["Machine", "peak_bytes", "timed", "wait_for"]

MATRIX = {"cpu": 2048, "cuda": 8192}
COPY_BYTES = {"cpu": 2**28, "cuda": 2**30}


def wait_for(device: torch.device) -> None:
    """Until all that was asked of a GPU is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def timed(device: torch.device, work: Callable[[], object], times: int) -> float:
    """The mean seconds of one of so many calls."""
    wait_for(device)
    start = time.perf_counter()
    for _ in range(times):
        work()
    wait_for(device)
    return (time.perf_counter() - start) / times


def peak_bytes(device: torch.device) -> int:
    """The most memory that this process had at once; on a GPU, that its tensors had there."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    # Not `ru_maxrss`, which a child inherits from its parent.
    (peak,) = re.findall(r"^VmHWM:\s+(\d+) kB", status.read_text(), re.MULTILINE)
    return int(peak) * 1024


class Machine:
    """This machine's copy bandwidth and float32 matrix rate.

    In bytes read and written a second, and operations a second. Both are what the trainer has at
    hand: products go through the faster kernel.
    """

    def __init__(self, device: torch.device, matrix: int = 0, copy_bytes: int = 0):
        self.device = device
        n = matrix or MATRIX[device.type]
        self.a, self.b = torch.randn(n, n, device=device), torch.randn(n, n, device=device)
        self.source = torch.zeros((copy_bytes or COPY_BYTES[device.type]) // 4, device=device)
        self.target = torch.ones_like(self.source)
        self.copies: list[float] = []
        self.products: list[float] = []

    def take_turn(self) -> None:
        """Measure both once more."""
        copy = timed(self.device, lambda: self.target.copy_(self.source), 3)
        multiplication = timed(self.device, lambda: product(self.a, self.b), 3)
        self.copies.append(2 * self.source.numel() * 4 / copy)
        self.products.append(2 * len(self.a) ** 3 / multiplication)

    @property
    def bandwidth(self) -> float:
        """Bytes a second."""
        return statistics.median(self.copies)

    @property
    def matrix_rate(self) -> float:
        """Operations a second."""
        return statistics.median(self.products)
