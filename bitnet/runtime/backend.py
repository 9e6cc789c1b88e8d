"""What a run computes with: device, precision, graphs. Each manifest records it."""

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from bitnet import checks
from bitnet.runtime.cpu import has_amx, keep_freed_memory, onednn_is_faster, processor

__all__ = ["PRECISIONS", "Backend", "choose"]

PRECISIONS = ("auto", "float32", "bfloat16")


@dataclass(frozen=True)
class Backend:
    """The means of a run; everything but the products with the vocabulary is in float32.

    `precision` is that of the products with the vocabulary. `graphs` replays each update as one
    CUDA graph. `strict` asks for algorithms that repeat bit by bit on CUDA too, and then for no
    graphs, which not all of them can be part of. A CPU repeats bit by bit in any case, for the
    same number of threads.
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
            threads = torch.get_num_threads()
            device = {"kind": "cpu", "name": processor(), "threads": threads, "products": products}
        return device | {
            "precision": self.precision,
            "graphs": self.graphs,
            "strict": self.strict,
        }

    @contextlib.contextmanager
    def in_force(self) -> Iterator[None]:
        """While a run trains: its GPU is current, freed memory is kept, `strict` holds.

        Numbers below 1e-38 are taken as zero. In Stage 2 the moments of rows without gradient fade
        below float32's normal range within a thousand updates, where a CPU computes some twenty
        times slower. Next to Adam's eps of 1e-8 they are nothing, so no weight changes by it.
        """
        keep_freed_memory()
        torch.set_flush_denormal(True)
        to_set = self.strict and not torch.are_deterministic_algorithms_enabled()
        if to_set:  # asking imports torch's compiler, as in `eager_optimizer`
            torch.use_deterministic_algorithms(True)
        on_gpu = self.device.type == "cuda"
        if on_gpu:
            # Needed for strictness, and read once as cuBLAS starts, which may be in an earlier run
            # that is not strict.
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        try:
            with torch.cuda.device(self.device) if on_gpu else contextlib.nullcontext():
                yield
        finally:
            torch.set_flush_denormal(False)
            if to_set:
                torch.use_deterministic_algorithms(False)


def choose(device: str = "auto", precision: str = "auto", strict: bool = False) -> Backend:
    """The backend for these wishes on this machine; nothing is started or set by asking.

    `device`: `auto` (CUDA where there is one, else the CPU), `cpu`, `cuda` or `cuda:N`.
    `precision`: `auto` is bfloat16 on a CPU with matrix units for it (AMX), where those products
    are most of a step, and float32 everywhere else: without the units bfloat16 is slower, and on a
    GPU the step is bound by the optimizer's memory traffic.

    Raises: `ParameterError` for a value that is not allowed, or a device that is not there.
    """
    where = _device(device)
    checks.choice("precision", precision, PRECISIONS)
    checks.boolean("strict", strict)
    if precision == "auto":
        bfloat16 = where.type == "cpu" and not strict and has_amx()
        precision = "bfloat16" if bfloat16 else "float32"
    return Backend(where, precision, graphs=where.type == "cuda" and not strict, strict=strict)


def _device(device: str) -> torch.device:
    if isinstance(device, str) and device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch(r"cpu|cuda(:(0|[1-9][0-9]*))?", str(device)):
        raise checks.ParameterError("device", device, "must be auto, cpu, cuda or cuda:N")
    kind, _, index = str(device).partition(":")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        found = torch.cuda.device_count()
        allowed = f"{found} CUDA devices found on this machine; use auto or cpu"
        raise checks.ParameterError("device", device, allowed)
    return torch.device(device)
