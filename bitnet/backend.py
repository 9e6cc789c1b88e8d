"""What a run computes with: device, precision, whole-step graphs. Chosen by what the machine has, kept in the manifest."""

import contextlib
import ctypes
import os
import platform
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from bitnet import checks

__all__ = ["PRECISIONS", "Backend", "choose", "keep_freed_memory", "onednn_is_faster", "start_threads"]

PRECISIONS = ("auto", "float32", "bfloat16")


@dataclass(frozen=True)
class Backend:
    """`precision` is that of the products with the vocabulary; everything else is float32.

    `graphs` replays each update as one CUDA graph. `strict` asks for algorithms that repeat bit by bit on CUDA too, and
    then for no graphs, which not all of them can be part of; on a CPU they do so in any case, for the same number of threads.
    """

    device: torch.device
    precision: str = "float32"
    graphs: bool = False
    strict: bool = False

    @property
    def head_dtype(self) -> torch.dtype | None:
        """The type of the products with the vocabulary; None for that of the model."""
        return torch.bfloat16 if self.precision == "bfloat16" else None

    def facts(self) -> dict[str, object]:
        """What a manifest records of it."""
        device: dict[str, object]
        if self.device.type == "cuda":
            device = {"kind": "cuda", "name": torch.cuda.get_device_name(self.device)}
        else:
            products = "oneDNN" if onednn_is_faster() else "BLAS"
            device = {"kind": "cpu", "name": _processor(), "threads": torch.get_num_threads(), "products": products}
        return device | {"precision": self.precision, "graphs": self.graphs, "strict": self.strict}

    @contextlib.contextmanager
    def in_force(self) -> Iterator[None]:
        """While a run trains: its GPU is the current one, freed memory is kept, numbers below 1e-38 are taken as zero,
        algorithms are repeatable if `strict`.

        In Stage 2 the moments of rows without gradient fade below float32's normal range within a thousand updates, where
        a CPU computes some twenty times slower. Next to Adam's eps of 1e-8 they are nothing, so no weight changes by it.
        """
        keep_freed_memory()
        torch.set_flush_denormal(True)
        before = torch.are_deterministic_algorithms_enabled()
        torch.use_deterministic_algorithms(self.strict or before)
        on_gpu = self.device.type == "cuda"
        try:
            with torch.cuda.device(self.device) if on_gpu else contextlib.nullcontext():
                yield
        finally:
            torch.set_flush_denormal(False)
            torch.use_deterministic_algorithms(before)


def choose(device: str = "auto", precision: str = "auto", strict: bool = False) -> Backend:
    """The backend for these wishes on this machine.

    `device`: `auto` (CUDA where there is one, else the CPU), `cpu`, `cuda` or `cuda:N`. `precision`: `auto` is bfloat16 on
    a CPU with matrix units for it (AMX), where those products are most of a step, and float32 everywhere else: without
    the units bfloat16 is slower, and on a GPU the step is bound by the optimizer's memory traffic. Errors:
    `ParameterError` for a device that is not there.
    """
    start_threads()
    where = _device(device)
    checks.choice("precision", precision, PRECISIONS)
    checks.boolean("strict", strict)
    if precision == "auto":
        amx = where.type == "cpu" and not strict and torch.cpu._is_amx_tile_supported()
        precision = "bfloat16" if amx else "float32"
    if where.type == "cuda":
        # Needed for strictness, and read once as cuBLAS starts, which may be in an earlier run that is not strict.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    return Backend(where, precision, graphs=where.type == "cuda" and not strict, strict=strict)


def _device(device: str) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch(r"cpu|cuda(:(0|[1-9][0-9]*))?", str(device)):
        raise checks.ParameterError("device", device, "must be auto, cpu, cuda or cuda:N")
    kind, _, index = str(device).partition(":")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        found = torch.cuda.device_count()
        raise checks.ParameterError("device", device, f"{found} CUDA devices found on this machine; use auto or cpu")
    return torch.device(device)


def onednn_is_faster() -> bool:
    """Whether float32 products on this CPU go through oneDNN; `torch.backends.mkldnn.enabled = False` prevents it.

    On AMD's processors with AVX-512: the BLAS of torch's own builds (MKL) uses AVX2 there, at half the rate.
    """
    return bool(torch.backends.mkldnn.enabled) and _amd_with_avx512()


@cache
def _amd_with_avx512() -> bool:
    onednn = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    return onednn and torch.backends.cpu.get_cpu_capability() == "AVX512" and "AMD" in _processor()


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def start_threads() -> None:
    """Have torch start its worker threads with numbers below the normal range taken as zero, which they keep; see `in_force`.

    The mode belongs to each thread, and one that is running already cannot be told; so this comes first in every thread
    that trains, each of which has workers of its own.
    """
    torch.set_flush_denormal(True)
    torch.ones(1 << 18).sum()
    torch.set_flush_denormal(False)


@cache
def keep_freed_memory() -> bool:
    """Ask glibc to keep freed memory for the next step instead of giving it back; True where it agreed.

    Logits and gradients of tens of megabytes are freed and asked for again in every step. By default each comes as
    fresh zeroed pages from the kernel, which costs more than the arithmetic done on them. Elsewhere than on Linux with
    glibc this does nothing, and is only slower.
    """
    if not sys.platform.startswith("linux"):
        return False
    m_trim_threshold, m_mmap_max = -1, -4  # malloc.h
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(m_mmap_max, 0) and mallopt(m_trim_threshold, 2**31 - 1))
