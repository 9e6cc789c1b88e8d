"""Small models of the shape of GPT-2, a text of ids, and a bare loop that trains them on it."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

SIZE, LENGTH = 400, 32  # tokens; of a window


def token_text(seed=0, size=SIZE, tokens=40_000):
    """Ids [N]: Zipf's law, and a fixed successor of each of the first half, seven times in ten."""
    generator = np.random.default_rng(seed)
    zipf = 1 / np.arange(1, size + 1)
    ids = generator.choice(size, size=tokens, p=zipf / zipf.sum())
    follow = generator.random(tokens) < 0.7
    for i in range(1, tokens):
        if follow[i] and ids[i - 1] < size // 2:
            ids[i] = (ids[i - 1] * 7 + 3) % size
    return torch.from_numpy(ids)


class Block(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in range(2))
        self.qkv, self.out = nn.Linear(hidden, 3 * hidden), nn.Linear(hidden, hidden)
        self.up, self.down = nn.Linear(hidden, 4 * hidden), nn.Linear(4 * hidden, hidden)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x):
        qkv = self.qkv(self.norms[0](x)).unflatten(-1, (3, 2, -1)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(*qkv, is_causal=True).transpose(1, 2).flatten(2)
        x = x + self.dropout(self.out(mixed))
        return x + self.down(F.gelu(self.up(self.norms[1](x))))


class PlainGPT(nn.Module):
    """A model as people write it: it returns a tensor, and has no configuration.

    `std` 0 leaves weights as PyTorch initialises them, `tied` makes embedding and head one.
    """

    def __init__(self, hidden=32, layers=1, tied=False, std=0.02, size=SIZE):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(size, hidden), nn.Embedding(64, hidden)
        self.blocks = nn.ModuleList(Block(hidden) for _ in range(layers))
        self.norm, self.head = nn.LayerNorm(hidden), nn.Linear(hidden, size, bias=False)
        if tied:
            self.head.weight = self.wte.weight
        for parameter in self.parameters():
            if std and parameter.ndim > 1:
                nn.init.normal_(parameter, std=std)

    def forward(self, ids):
        x = self.wte(ids) + self.wpe(torch.arange(ids.shape[1]))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


def gpt2(tied=True, hidden=32, layers=1, size=SIZE):
    """A `GPT2LMHeadModel` of transformers, whose configuration says whether it is tied."""
    from transformers import GPT2Config, GPT2LMHeadModel

    sizes = {"vocab_size": size, "n_positions": 64, "n_embd": hidden, "n_layer": layers}
    ends = {"bos_token_id": 0, "eos_token_id": 0, "tie_word_embeddings": tied}
    return GPT2LMHeadModel(GPT2Config(n_head=2, **sizes, **ends))


def train(model, optimizer, ids, steps=160, seed=0, callback=lambda step: None, warm_up=20):
    """Updates of 8 windows of 32 tokens, a linear warm-up, gradients clipped to 1."""
    generator = torch.Generator().manual_seed(seed)
    peaks = [group["lr"] for group in optimizer.param_groups]
    model.train()
    for step in range(1, steps + 1):
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak * min(1.0, step / warm_up)
        starts = torch.randint(len(ids) - LENGTH, (8,), generator=generator)
        batch = ids[starts[:, None] + torch.arange(LENGTH)]
        output = model(batch[:, :-1])
        logits = getattr(output, "logits", output)
        loss = F.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        callback(step)
    return model
