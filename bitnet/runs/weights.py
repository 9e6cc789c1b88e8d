"""The weights of finished runs: as training left them, or in half the bytes for a repository."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from bitnet import checks
from bitnet.checks import first_line
from bitnet.files import LARGEST_TENSORS, read_bytes
from bitnet.runs.history import History, HistoryError
from bitnet.terminal import escaped, say
from bitnet.transformer import BitNetModel

__all__ = ["MODEL", "keep_in_bfloat16", "load_model", "load_models"]

MODEL = "model.safetensors"
# In bfloat16, which keeps the range of float32: float16 would make a dead network's weights zero.
# The name holds the beginning of the checksum.
_SMALL = "weights-{}.safetensors"
_DIGITS = 16
_TYPES = (torch.float32, torch.bfloat16)


def load_model(history: History) -> BitNetModel:
    """The trained model of a finished run, from its weights or those that `keep_in_bfloat16` left.

    Raises: `HistoryError` where it is not finished, or its weights are missing or damaged.
    """
    checks.instance("history", history, History, "History.load")
    if not history.complete:
        raise HistoryError(f"{history.folder}: {history.status}, so there is no trained model")
    if history.folder is None:
        raise HistoryError(f"{history.config.label()}: has no folder, and so no weights")
    remedy = "delete the run's folder to train it again"
    path, expected = _weights(history)
    try:
        content = read_bytes(path, LARGEST_TENSORS)
    except OSError as error:
        raise HistoryError(f"{path}: no weights here ({first_line(error)}); {remedy}") from error
    if not expected or not hashlib.sha256(content).hexdigest().startswith(expected):
        raise HistoryError(f"{path}: damaged, its checksum does not match; {remedy}")
    model = BitNetModel(history.config.model())
    try:
        model.load_state_dict(_checked(load(content)))
    except (SafetensorError, RuntimeError, ValueError, KeyError) as error:
        problem = f"not the weights of this run ({first_line(error)})"
        raise HistoryError(f"{path}: {problem}; {remedy}") from error
    return model


def load_models(
    histories: Sequence[History], log: Callable[[str], None] = say
) -> dict[str, BitNetModel]:
    """The models of the finished ones of these runs, by their labels; the others are logged.

    Raises: `HistoryError` where none is finished, and as `load_model`.
    """
    checks.instances("histories", histories, History, "History.load")
    log = escaped(log)
    configs, models = [history.config for history in histories], {}
    for history in histories:
        name = history.config.label(configs)
        if history.complete:
            models[name] = load_model(history)
        else:
            log(f"{name}: {history.status}, so there is no trained model of it")
    if not models:
        raise HistoryError("no run is complete, so there is no trained model")
    return models


def keep_in_bfloat16(history: History, folder: Path) -> Path:
    """Write the weights of a finished run, rounded to bfloat16, into another folder of the run.

    Raises: `HistoryError` as `load_model`.
    """
    model = load_model(history)
    tensors = {name: p.detach().to(torch.bfloat16) for name, p in model.state_dict().items()}
    content = save(tensors)
    path = folder / _SMALL.format(hashlib.sha256(content).hexdigest()[:_DIGITS])
    path.write_bytes(content)
    return path


def _checked(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors in float32. Raises: `ValueError` for those that no training leaves."""
    for name, tensor in tensors.items():
        if tensor.dtype not in _TYPES or not tensor.isfinite().all():
            raise ValueError(f"{name} holds something else than finite numbers")
    return {name: tensor.float() for name, tensor in tensors.items()}


def _weights(history: History) -> tuple[Path, str]:
    """The file of a run's weights, and the checksum that it has to have, or its beginning."""
    assert history.folder is not None
    whole = history.folder / MODEL
    if not whole.exists():
        for small in sorted(history.folder.glob(_SMALL.format("?" * _DIGITS))):
            return small, small.stem.removeprefix("weights-")
    return whole, str(history.manifest.get("model_sha256", ""))
