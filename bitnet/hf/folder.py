"""A model's folder as transformers loads it: weights, configuration, tokenizer."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save

from bitnet.hf.layout import WRAPPER, configuration, needs_wrapper, tensors
from bitnet.tokenizer import Vocabulary
from bitnet.transformer import BitNetModel

__all__ = ["write_model"]


def write_model(
    folder: Path, model: BitNetModel, vocabulary: Vocabulary, length: int, packed: bool = False
) -> None:
    """Write a model that was trained on windows of `length` tokens, and its tokenizer.

    `packed` keeps ternary weights in 2 bits each.

    Raises: `OSError`.
    """
    _write_json(folder / "config.json", configuration(model, length))
    content = save(tensors(model, packed), {"format": "pt"})
    (folder / "model.safetensors").write_bytes(content)
    if needs_wrapper(model.config):
        shutil.copyfile(Path(__file__).with_name(f"{WRAPPER}.py"), folder / f"{WRAPPER}.py")
    (folder / "tokenizer.json").write_text(vocabulary.to_json(), encoding="utf-8")
    tokenizer = {"tokenizer_class": "PreTrainedTokenizerFast"}  # what `tokenizer.json` says, alone
    _write_json(folder / "tokenizer_config.json", tokenizer)


def _write_json(path: Path, facts: Mapping[str, object]) -> None:
    path.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
