"""Small models of every kind that can be exported."""

import shutil

import torch

from bitnet import BitNetConfig, BitNetModel
from bitnet.hf.folder import write_model
from bitnet.tokenizer import gpt2
from tests.support.corpus import made_up_vocabulary

LENGTH = 32
SIZES = {"vocab_size": 300, "hidden_size": 32, "num_layers": 2}
# Sizes that differ from `SIZES`; "tied" makes embedding and head one.
KINDS = {
    "ternary": {},
    "grouped heads, tied": {"num_kv_heads": 2, "tied": True},
    "inside": {"norm_placement": "inside", "num_kv_heads": 1, "ffn_hidden_size": 48},
    "inside, tied": {"norm_placement": "inside", "tied": True, "rope_theta": 500.0},
    "GPT-2's vocabulary": {"vocab_size": 50257, "hidden_size": 16, "num_layers": 1},
    "full precision": {"quantize": False, "num_kv_heads": 2, "rope_theta": 500.0},
    "full precision, tied": {"quantize": False, "tied": True},
    "full precision, inside": {"quantize": False, "norm_placement": "inside"},
}


def random_model(kind):
    """A model of one of the `KINDS`, its norms as different as those of a trained one."""
    sizes = SIZES | KINDS[kind]
    tied = sizes.pop("tied", False)
    torch.manual_seed(0)
    model = BitNetModel(BitNetConfig(**sizes))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.uniform_(0.5, 1.5)
        if tied:  # small, or each token would predict itself
            model.lm_head.weight = model.token_embeddings.weight
            model.lm_head.weight.mul_(0.02)
    return model


def vocabulary_of(model):
    """A vocabulary of the model's size."""
    size = model.config.vocab_size
    return gpt2() if size == 50257 else made_up_vocabulary(size)


def write(folder, model, packed=False):
    """The folder of an export, emptied first."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_model(folder, model, vocabulary_of(model), LENGTH, packed)
    return folder
