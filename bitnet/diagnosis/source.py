"""A model by its name: a run's folder of ours, or a folder or a hub's name for transformers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bitnet import checks
from bitnet.diagnosis.words import Words
from bitnet.extras import remedy
from bitnet.hf.agreement import quiet
from bitnet.runs.trained import load
from bitnet.train import make_optimizer

__all__ = ["Opened", "opened"]


@dataclass(frozen=True)
class Opened:
    """A model with its words; of a run of ours also an optimizer as it was trained with."""

    model: nn.Module
    words: Words
    optimizer: torch.optim.Optimizer | None = None


def opened(name: str | Path, download: bool = False, trust_remote_code: bool = False) -> Opened:
    """The model of that name.

    Without `download` only what is on this machine is read; without `trust_remote_code` no code of
    a model's own is run.

    Raises: `ParameterError` where there is no such model, or transformers cannot load it whole;
    `HistoryError` for a run that is unfinished or damaged.
    """
    if not isinstance(name, str | Path) or not str(name):
        raise checks.ParameterError("model", name, "must be a folder or a name")
    path = Path(name).expanduser()
    if (path / "manifest.json").exists():
        return _ours(path)
    if path.is_dir() and not (path / "config.json").exists():
        neither = "holds neither a run (manifest.json) nor a model of transformers (config.json)"
        raise checks.ParameterError("model", str(name), neither)
    source = str(path if path.is_dir() else name)
    return _theirs(source, local_files_only=not download, trust_remote_code=trust_remote_code)


def _ours(path: Path) -> Opened:
    trained = load(path)
    optimizer = make_optimizer(trained.model, trained.history.config.recipe)
    optimizer.param_groups[0]["weight_decay"] = trained.history.config.recipe.stage1_decay
    return Opened(trained.model, Words(trained.vocabulary), optimizer)


def _theirs(name: str, **options: Any) -> Opened:
    try:
        import transformers
    except ImportError as error:
        needs = f"is no run of ours, and else needs the package transformers; {remedy('export')}"
        raise checks.ParameterError("model", name, needs) from error
    try:
        with quiet():
            model, found = transformers.AutoModelForCausalLM.from_pretrained(
                name, dtype=torch.float32, output_loading_info=True, **options
            )
            tokenizer = transformers.AutoTokenizer.from_pretrained(name, **options)
    except Exception as error:  # in many ways, and of a stranger's code in any
        failed = f"cannot be loaded by transformers ({checks.first_line(error)})"
        raise checks.ParameterError("model", name, failed) from error
    if missing := sorted(found["missing_keys"]):
        lacks = f"has no weights for {missing[0]}, and {len(missing)} are missing in all"
        raise checks.ParameterError("model", name, f"{lacks}: it is no whole language model")
    return Opened(model, Words(tokenizer))
