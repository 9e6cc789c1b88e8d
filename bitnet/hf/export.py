"""The export of a finished run, for Hugging Face transformers."""

from collections.abc import Callable
from pathlib import Path

from bitnet import checks
from bitnet.hf.agreement import ExportError, agreement, require_transformers
from bitnet.hf.card import model_card
from bitnet.hf.folder import write_model
from bitnet.runs.folder import new_folder
from bitnet.runs.trained import load
from bitnet.terminal import escaped, say

__all__ = ["export"]


def export(
    run: str | Path,
    out: str | Path,
    packed: bool = False,
    log: Callable[[str], None] = say,
) -> Path:
    """Write a finished run as a folder that transformers loads, whole or not at all; its path.

    The run is named as in `load`. The folder has weights, configuration, tokenizer and a model
    card with what the run was and how far the export agrees with it. It is for inference only.
    `packed` keeps ternary weights in 2 bits each. A full-precision model carries a Python file,
    and is loaded with `trust_remote_code=True`.

    Raises: `HistoryError` for a run that is unfinished or damaged, `ParameterError` for a target
    that is taken or cannot be written, `ExportError` where transformers is missing or computes
    another model.
    """
    version = require_transformers().__version__
    checks.boolean("packed", packed)
    trained = load(run)
    model, length = trained.model, trained.history.config.sequence_length
    if packed and not model.config.quantize:
        raise checks.ParameterError("packed", packed, "full-precision weights are not in 2 bits")
    with new_folder("out", out) as folder:
        write_model(folder, model, trained.vocabulary, length, packed)
        found = agreement(model, folder, length)
        if not found.close:
            problem = f"transformers {version} computes another model from it ({found.exported})"
            raise ExportError(f"{trained.history.folder}: {problem}; nothing was written")
        (folder / "README.md").write_text(model_card(trained, found, version), encoding="utf-8")
    log = escaped(log)
    log(f"{out}: {trained.history.config.label()}, for transformers")
    log(f"its logits against ours: {found.exported}")
    log(f"ours, embeddings moved by one bit: {found.own}")
    return Path(out)
