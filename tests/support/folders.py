"""Folders of models for transformers, as people have them."""

import json

from benchmarks.models import gpt2
from bitnet.hf.agreement import quiet
from tests.support.corpus import made_up_vocabulary

TOKENS = 300
VOCABULARY = made_up_vocabulary(TOKENS)
TEXT = "the cat sat on the mat, and the dog sat by the door of the old house. " * 150


def gpt2_folder(folder, size=TOKENS, whole=True):
    """A GPT-2 with its tokenizer; without its head unless `whole`, as a base model is saved."""
    model = gpt2(tied=False, size=size)
    with quiet():
        (model if whole else model.transformer).save_pretrained(folder)
    (folder / "tokenizer.json").write_text(VOCABULARY.to_json())
    tokenizer = {"tokenizer_class": "PreTrainedTokenizerFast"}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    return model
