"""This processor: what it computes fastest with, how its memory and threads are set up.

The private names of torch that this package uses are all here. Where one is gone, the public way
is taken: products through the BLAS, float32 instead of bfloat16.
"""

import contextlib
import ctypes
import inspect
import platform
import sys
from functools import cache
from pathlib import Path

import torch
from torch import Tensor
from torch.optim import Optimizer

__all__ = [
    "eager_optimizer", "has_amx", "keep_freed_memory", "onednn_is_faster", "onednn_product",
    "processor", "start_threads",
]  # fmt: skip


def onednn_product(a: Tensor, b: Tensor) -> Tensor:
    """a [N, K] @ b [M, K]^T -> [N, M] through oneDNN, outside autograd.

    The operator is the one that torch.compile puts in the place of a linear layer; torch has no
    public name for it. `onednn_is_faster` is False where it is gone.
    """
    return torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], "")


def onednn_is_faster() -> bool:
    """Whether float32 products on this CPU go through oneDNN.

    On AMD's processors with AVX-512: the BLAS of torch's own builds (MKL) uses AVX2 there, at half
    the rate. `torch.backends.mkldnn.enabled = False` prevents it.
    """
    return bool(torch.backends.mkldnn.enabled) and _amd_with_avx512()


@cache
def _amd_with_avx512() -> bool:
    onednn = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    return onednn and torch.backends.cpu.get_cpu_capability() == "AVX512" and "AMD" in processor()


def has_amx() -> bool:
    """Whether this CPU has matrix units for bfloat16; False where torch cannot say."""
    asked = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return bool(asked and asked())


@cache
def processor() -> str:
    """The processor's name, as the system gives it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


@cache
def eager_optimizer(kind: type[Optimizer]) -> type[Optimizer]:
    """An optimizer of torch, without what prepares it for torch.compile.

    The same functions, unwrapped: the wrapping imports the compiler at its first call, which is a
    third of the time that a small run takes to start, and nothing is compiled here.
    """
    names = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")
    plain = {name: inspect.unwrap(getattr(kind, name)) for name in names}
    plain["step"] = torch.no_grad()(inspect.unwrap(kind.step))
    return type(kind.__name__, (kind,), plain)


def start_threads() -> None:
    """Start torch's worker threads with numbers below the normal range taken as zero.

    The mode belongs to each thread and is inherited at its start, so this comes first in every
    thread that trains, each of which has workers of its own. `Backend.in_force` says why.
    """
    torch.set_flush_denormal(True)
    torch.ones(1 << 18).sum()
    torch.set_flush_denormal(False)


@cache
def keep_freed_memory() -> bool:
    """Ask glibc to keep freed memory for the next step; True where it agreed.

    Logits and gradients of tens of megabytes are freed and asked for again in every step. By
    default each comes as fresh zeroed pages, which costs more than the arithmetic done on them.
    Elsewhere than on Linux with glibc this does nothing, and training is only slower.
    """
    if not sys.platform.startswith("linux"):
        return False
    m_trim_threshold, m_mmap_max = -1, -4  # malloc.h
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(m_mmap_max, 0) and mallopt(m_trim_threshold, 2**31 - 1))
