"""The device a run computes on, and what a manifest says of it."""

import contextlib
import ctypes
import platform
import sys
from functools import cache
from pathlib import Path

import torch

from bitnet import checks

__all__ = ["describe", "keep_freed_memory", "pick"]


def pick(device: str = "auto") -> torch.device:
    """`auto` (CUDA where there is one, else the CPU), `cpu`, `cuda` or `cuda:N` as a device that is there."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, index = str(device).partition(":")
    if kind not in ("cpu", "cuda") or (index and (kind == "cpu" or not index.isdigit())):
        raise checks.ParameterError("device", device, "must be auto, cpu, cuda or cuda:N")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        found = torch.cuda.device_count()
        raise checks.ParameterError("device", device, f"{found} CUDA devices found on this machine; use auto or cpu")
    return torch.device(device)


def describe(device: torch.device) -> dict[str, object]:
    """Kind, name and (for a CPU) thread count."""
    if device.type == "cuda":
        return {"kind": "cuda", "name": torch.cuda.get_device_name(device)}
    return {"kind": "cpu", "name": _processor(), "threads": torch.get_num_threads()}


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


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
