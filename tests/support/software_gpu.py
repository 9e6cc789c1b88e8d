"""A GPU in software: torch's fake CUDA tensors, with their values on the host beside them.

`FakeTensorMode` refuses an operation on tensors of two devices, as CUDA does, but knows no values,
and a run looks at some. So each operation is also done on the values. This shows neither what a
kernel of CUDA computes nor how long it takes.
"""

from contextlib import contextmanager, nullcontext

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensor,
    FakeTensorMode,
)
from torch.optim import Optimizer
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import arg_tree_leaves, tree_leaves, tree_map

__all__ = ["CAPTURING", "software_gpu"]

HOST, GPU = torch.device("cpu"), torch.device("cuda", 0)
CAPTURING = "operation not permitted when stream is capturing"  # as CUDA says it
ASKED = "asked"  # of an operation whose result the host has to be told
# Optimizers of which torch has no fake: they return nothing, and take tensors of one device.
FUSED = (torch.ops.aten._fused_adam_.tensor_lr, torch.ops.aten._fused_adamw_.tensor_lr)


class Computing(FakeTensorMode):
    """Does what has to do with the GPU on fakes, which know devices and shapes, and on values.

    A fake's values are its `on_host`. What is on the host is a real tensor, and is left to torch.
    """

    avoid_device_init = True  # else torch.cuda is asked, whose stand-in says that there is a GPU

    def __init__(self):
        super().__init__(allow_non_fake_inputs=True)
        self.graph = None  # the one being captured
        self.places = {}  # by operation: torch's own check of it takes a third of a millisecond
        self.within = False

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is torch.ops.prim.device.default:
            # So asks torch's C++, for a guard and a queue of gradients that a build without CUDA
            # does not have. Python, and with it the check of devices, sees the GPU.
            return HOST
        if self.within:  # a part of an operation, which torch takes apart
            return super().__torch_dispatch__(func, types, args, kwargs)
        given = arg_tree_leaves(*args, **kwargs)
        if not any(map(_of_gpu, given)):
            return func(*args, **kwargs)
        seen = (func, *map(_signature, given))
        if seen not in self.places or torch.Tag.inplace_view in func.tags:
            self.places[seen] = self._place(func, types, args, kwargs, given)
        place = self.places[seen]
        args, kwargs = tree_map(_values, (args, kwargs))
        if self.graph is None:
            values = func(*args, **kwargs)
        elif place != GPU:
            raise RuntimeError(f"CUDA error: {CAPTURING} ({func})")
        else:
            values = self.graph.record(func, args, kwargs)
        fakes = {id(x.on_host): x for x in given if isinstance(x, FakeTensor)}

        def fake(x):
            if place == HOST or not isinstance(x, Tensor):
                return x
            return fakes[id(x)] if id(x) in fakes else self.fake(x)

        return tree_map(fake, values)

    def _place(self, func, types, args, kwargs, given):
        """Where the result is, by torch's own rules; it refuses tensors of two devices."""
        if func in FUSED:
            if len(found := {x.device for x in given if isinstance(x, Tensor)}) > 1:
                raise RuntimeError(f"{func}: tensors on two devices, {found}")
            return GPU
        self.within = True
        try:
            result = super().__torch_dispatch__(func, types, args, kwargs)
        except (DataDependentOutputException, DynamicOutputShapeException):
            return ASKED
        finally:
            self.within = False
        return next((x.device for x in tree_leaves(result) if isinstance(x, Tensor)), GPU)

    def fake(self, values):
        """The tensor of the GPU with these values."""
        shape = {"size": values.shape, "stride": values.stride(), "dtype": values.dtype}
        tensor = FakeTensor(self, torch.empty_strided(**shape, device="meta"), GPU)
        tensor.on_host = values
        return tensor


class Placing(TorchFunctionMode):
    """`Tensor.to` and `Tensor.cpu` by the devices that Python sees; see `Computing`."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is Tensor.cpu:
            return _placed(args[0], HOST, None)
        if func is Tensor.to:
            device, dtype, *_ = torch._C._nn._parse_to(*args[1:], **kwargs)
            return _placed(args[0], device, dtype)
        return func(*args, **kwargs)


class Graph:
    """In the place of `torch.cuda.CUDAGraph`: kernels with their numbers, and what they fill.

    A capture runs nothing: what its kernels wrote to is put back at its end.
    """

    def __init__(self):
        self.kernels, self.before = [], {}

    def record(self, func, args, kwargs):
        given = {a.name: value for a, value in zip(func._schema.arguments, args, strict=False)}
        for argument in func._schema.arguments:
            if argument.alias_info and argument.alias_info.is_write:
                for written in tree_leaves((given | kwargs).get(argument.name)):
                    storage = written.untyped_storage()
                    self.before.setdefault(storage.data_ptr(), (storage, storage.clone()))
        kept = tree_map(_alias, (args, kwargs))  # whose shapes stay, unlike that of `unsqueeze_`
        filled = func(*args, **kwargs)
        if torch.Tag.inplace_view not in func.tags:  # a new shape, and no kernel
            self.kernels.append((func, *kept, tree_leaves(tree_map(_alias, filled))))
        return filled

    def end(self):
        for storage, content in self.before.values():
            storage.copy_(content)

    def replay(self):
        for func, args, kwargs, filled in self.kernels:
            for old, new in zip(filled, tree_leaves(func(*args, **kwargs)), strict=True):
                if isinstance(old, Tensor) and old.data_ptr() != new.data_ptr():
                    old.copy_(new)


class Stream:
    """In the place of `torch.cuda.Stream`: here one thing is done after the other."""

    def wait_stream(self, other):
        pass


@contextmanager
def software_gpu():
    """While it holds this machine has one GPU, in software."""
    gpu = Computing()

    @contextmanager
    def capturing(graph, stream=None):
        gpu.graph = graph
        try:
            yield
        finally:
            gpu.graph = None
            graph.end()

    def doing_nothing(*_):
        return nullcontext()

    stand_ins = {
        "is_available": lambda: True, "device_count": lambda: 1, "synchronize": lambda *_: None,
        "get_device_name": lambda *_: "a GPU in software", "device": doing_nothing,
        "Stream": Stream, "current_stream": Stream, "stream": doing_nothing,
        "CUDAGraph": Graph, "graph": capturing,
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        for name, stand_in in stand_ins.items():
            patch.setattr(torch.cuda, name, stand_in)
        # It asks in C++; see `Computing`. Parameters on two devices are found by what is done next.
        patch.setattr(Optimizer, "_group_tensors_by_device_and_dtype", staticmethod(_one_group))
        with gpu, Placing():
            yield


def _one_group(lists, with_indices=False):
    first = lists[0][0]
    return {(first.device, first.dtype): (lists, list(range(len(lists[0]))))}


def _placed(tensor, device, dtype):
    if device is not None and device.type == "cuda":
        device = GPU  # whose index a build without CUDA does not know
    dtype = dtype or tensor.dtype
    if device in (None, tensor.device) and dtype == tensor.dtype:
        return tensor
    return torch.ops.aten._to_copy.default(tensor, dtype=dtype, device=device or tensor.device)


def _of_gpu(x):
    return isinstance(x, FakeTensor) or (isinstance(x, torch.device) and x.type == "cuda")


def _signature(x):
    return (x.device, x.dtype, x.shape) if isinstance(x, Tensor) else (type(x), x)


def _alias(x):
    return torch.ops.aten.alias(x) if isinstance(x, Tensor) else x


def _values(x):
    if isinstance(x, FakeTensor):
        return x.on_host
    return HOST if isinstance(x, torch.device) else x
