"""The peers of `make bench-peers`, on the trainer's tokens, sizes and recipe.

The ternary ones are one Llama of transformers, with the trainer's own initial weights and a norm
inside every linear, and differ by the linear: each package's own. What is imported here is
imported in a peer's process alone, so that a package that is missing takes one row away.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks import reference
from benchmarks.gpt import GPT
from benchmarks.speed import OnCorpus, Size, reference_stepper, trainer_stepper
from benchmarks.turns import Stepper
from bitnet import Corpus
from bitnet.hf.layout import configuration, tensors
from bitnet.train import initial_model

__all__ = ["LEFT_OUT", "OURS", "PACKAGES", "PEERS", "llama"]

OURS = "this trainer"
Swap = Callable[[nn.Module], nn.Module]  # a `NormedLinear` -> the linear of a package
PACKAGES = ("transformers", "torchao", "bitlinear", "onebitllms")
# What cannot even be tried.
LEFT_OUT = {"bitnet 0.2.5 (PyPI)": "its package is called bitnet, as this one is"}


def of_transformers(linear: Any) -> nn.Module:
    """Its own BitNet training: AutoBitLinear, quantizing online, norms inside."""
    from transformers.integrations.bitnet import AutoBitLinear

    found = AutoBitLinear(
        linear.in_features, linear.out_features, bias=False, online_quant=True, use_rms_norm=True
    )
    found.weight, found.rms_norm = linear.weight, linear.rms_norm
    return found


def of_torchao(linear: Any) -> nn.Module:
    """Its BitNet training: a weight that multiplies in whole numbers of 8 bits."""
    from torchao.prototype.quantized_training import bitnet_training
    from torchao.quantization import quantize_

    quantize_(linear, bitnet_training(), filter_fn=lambda module, name: module is linear)
    return linear


def of_bitlinear(linear: Any) -> nn.Module:
    """Its BitLinear, with the mean of |W| for the scale, as in BitNet b1.58."""
    from bitlinear import BitLinear

    found = BitLinear(
        linear.in_features, linear.out_features, bias=False,
        weight_measure="AbsMean", norm=linear.rms_norm,
    )  # fmt: skip
    found.weight = linear.weight
    return found


def of_onebitllms(linear: Any) -> nn.Module:
    """Its BitNetLinear, whose kernels are for CUDA alone."""
    from onebitllms import BitNetLinear

    found = BitNetLinear(linear.in_features, linear.out_features)
    found.weight = linear.weight
    return nn.Sequential(linear.rms_norm, found)


def llama(swap: Swap, size: Size, corpus: Corpus) -> nn.Module:
    """The Llama of transformers with the trainer's initial weights and a package's linears."""
    from bitnet.hf.modeling_normed_llama import (
        NormedLinear,
        NormedLlamaConfig,
        NormedLlamaForCausalLM,
    )

    config = size.run("fp-l2-0.0")
    ours = initial_model(config, corpus.vocab_size)
    model = NormedLlamaForCausalLM(
        NormedLlamaConfig(**configuration(ours, config.sequence_length), use_cache=False)
    )
    model.load_state_dict(tensors(ours))
    for name, module in list(model.named_modules()):
        if isinstance(module, NormedLinear):
            model.set_submodule(name, swap(module))
    return model


def llama_stepper(
    swap: Swap, fused: bool | None, size: Size, corpus: Corpus, device: torch.device
) -> Stepper:
    """A Llama trained by the plain loop, with stock or fused Adam."""
    model = llama(swap, size, corpus).to(device)
    return plain_stepper(lambda ids: model(ids).logits, model, fused, size, corpus, device)


def gpt_stepper(compiled: bool, size: Size, corpus: Corpus, device: torch.device) -> Stepper:
    """A GPT in full precision, with fused Adam; its forward and backward compiled, or not."""
    torch.manual_seed(0)
    length = size.run("fp-l2-0.0").sequence_length
    model: Any = GPT(corpus.vocab_size, size.hidden, length).to(device)
    logits = torch.compile(model) if compiled else model
    return plain_stepper(logits, model, True, size, corpus, device)


def plain_stepper(
    logits: Callable[[Tensor], Tensor],
    model: nn.Module,
    fused: bool | None,
    size: Size,
    corpus: Corpus,
    device: torch.device,
) -> Stepper:
    """The brief's recipe, as one writes it with torch alone. `fused` None: as torch chooses."""
    parameters = list(model.train().parameters())
    optimizer = torch.optim.Adam(parameters, lr=0.0, betas=(0.9, 0.95), eps=1e-8, fused=fused)
    stream = corpus.train.to(device)

    def step(t: int) -> Tensor:
        ids = size.ids(stream, t)
        lr, wd = reference.learning_rate(t, size.steps), reference.weight_decay(t, size.steps)
        optimizer.param_groups[0].update(lr=lr, weight_decay=wd)
        optimizer.zero_grad()
        loss = F.cross_entropy(logits(ids)[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        return loss.detach()

    return step


PEERS: dict[str, OnCorpus] = {
    OURS: partial(trainer_stepper, "l2-0.0"),
    "plain reference": reference_stepper,
    "transformers": partial(llama_stepper, of_transformers, None),
    "transformers, fused Adam": partial(llama_stepper, of_transformers, True),
    "torchao": partial(llama_stepper, of_torchao, None),
    "bitlinear": partial(llama_stepper, of_bitlinear, True),
    "onebitllms": partial(llama_stepper, of_onebitllms, True),
    "GPT, full precision": partial(gpt_stepper, False),
    "GPT, compiled": partial(gpt_stepper, True),
}
