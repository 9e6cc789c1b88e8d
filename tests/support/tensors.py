"""Files of tensors whose checksums are right and whose meaning is another."""

import json

import torch

from tests.support.mutations import as_json, changed

# What safetensors knows and a run does not have; the last are none that torch reads everywhere.
TYPES = ("F64", "F16", "BF16", "I32", "I8", "U8", "BOOL", "F8_E4M3", "F8_E8M0", "F4", "C64")


def forms(tensors):
    """Names, shapes and types."""
    return {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}


def with_header(content, draw):
    """The bytes of a file of tensors under a header that says something else."""
    size = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:size])
    if draw.random() < 0.5:
        text = as_json(changed(header, draw))
    else:
        name = draw.choice([name for name in header if name != "__metadata__"])
        facts, kind = header[name], draw.choice(["type", "turned", "exchanged", "renamed"])
        if kind == "type":
            facts["dtype"] = draw.choice(TYPES)
        elif kind == "turned":
            facts["shape"] = [*facts["shape"][::-1], *([1] if draw.random() < 0.5 else [])]
        elif kind == "exchanged":
            other = draw.choice([name for name in header if name != "__metadata__"])
            header[name], header[other] = header[other], header[name]
        else:
            header[f"{name}x"] = header.pop(name)
        text = as_json(header)
    return len(text).to_bytes(8, "little") + text + content[size:]


def other_tensors(tensors, draw):
    """A kind of change, and tensors of which one is not what it was."""
    name = draw.choice(sorted(tensors))
    kind = draw.choice(["not a number", "infinite", "negative", "another type", "lost", "one more"])
    found = {n: t.clone() for n, t in tensors.items()}
    at = draw.randrange(max(1, found[name].numel()))
    if kind in ("not a number", "infinite", "negative"):
        if not found[name].is_floating_point():
            found[name] = found[name] + 5  # no ternary value
        else:
            value = {"not a number": torch.nan, "infinite": -torch.inf, "negative": -0.5}[kind]
            found[name].view(-1)[at] = value
    elif kind == "another type":
        found[name] = found[name].to(draw.choice([torch.float64, torch.float16, torch.int32]))
    elif kind == "lost":
        del found[name]
    else:
        found[f"{name}.1"] = found[name].clone()
    return f"{name}, {kind}", found
