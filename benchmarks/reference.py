"""The brief's model and recipe as plainly as the equations allow: the oracle of the tests, the
baseline of the benchmark.

Nothing here is imported from `bitnet`, and nothing here is clever. Parameters live in one
dictionary under the seed's names, every equation stands on a line of its own, and training is
`zero_grad, backward, clip, step` with `torch.optim.Adam`. Sizes come as keyword arguments:
`layers`, `heads`, `kv_heads`, `eps`, `theta`, `quantize`.
"""

import math

import torch


def rms_norm(x, weight, eps):
    """Root mean square normalisation over the last axis (Zhang & Sennrich 2019, eq. 4)."""
    return x / torch.sqrt((x * x).mean(dim=-1, keepdim=True) + eps) * weight


def straight_through(quantized, x):
    """The value of `quantized` with the gradient of `x` (Bengio et al. 2013)."""
    return x + (quantized - x).detach()


def quantize_weight(weight):
    """Absmean ternary weights (BitNet b1.58, eqs. 1-3)."""
    scale = weight.abs().mean().clamp(min=1e-5)
    return straight_through((weight / scale).round().clamp(-1, 1) * scale, weight)


def quantize_activation(x):
    """Absmax 8-bit activations, one scale a token."""
    scale = 127.0 / x.abs().max(dim=-1, keepdim=True).values.clamp(min=1e-5)
    return straight_through((x * scale).round().clamp(-128, 127) / scale, x)


def bit_linear(x, weight, norm_weight, eps, quantize):
    """Q_a(RMSNorm(x)) @ Q_w(W)^T."""
    x = rms_norm(x, norm_weight, eps)
    if quantize:
        x = quantize_activation(x)
        weight = quantize_weight(weight)
    return x @ weight.T


def rotate(x, theta):
    """Rotary embedding of `x` [B, S, heads, d] in half-split form: pair i is (x_i, x_{i + d/2}) (Su
    et al. 2021, eq. 34).
    """
    length, d = x.shape[1], x.shape[-1]
    out = torch.empty_like(x)
    for i in range(d // 2):
        angle = torch.arange(length, dtype=torch.float64, device=x.device) / theta ** (2 * i / d)
        cos, sin = (
            torch.cos(angle).to(x.dtype)[None, :, None],
            torch.sin(angle).to(x.dtype)[None, :, None],
        )
        real, imaginary = x[..., i], x[..., i + d // 2]
        out[..., i] = real * cos - imaginary * sin
        out[..., i + d // 2] = real * sin + imaginary * cos
    return out


def attention(x, p, prefix, heads, kv_heads, eps, theta, quantize):
    batch, length, hidden = x.shape
    d = hidden // heads
    h = rms_norm(x, p[prefix + "norm.weight"], eps)
    qkv = bit_linear(
        h, p[prefix + "qkv_proj.weight"], p[prefix + "qkv_proj.norm.weight"], eps, quantize
    )
    q = rotate(qkv[..., : heads * d].view(batch, length, heads, d), theta)
    k = rotate(qkv[..., heads * d : (heads + kv_heads) * d].view(batch, length, kv_heads, d), theta)
    v = qkv[..., (heads + kv_heads) * d :].view(batch, length, kv_heads, d)
    outputs = []
    for head in range(heads):
        served_by = head // (heads // kv_heads)
        scores = q[:, :, head] @ k[:, :, served_by].transpose(1, 2) / math.sqrt(d)
        future = torch.ones(length, length, dtype=torch.bool, device=x.device).triu(1)
        outputs.append(
            torch.softmax(scores.masked_fill(future, -math.inf), dim=-1) @ v[:, :, served_by]
        )
    joined = torch.cat(outputs, dim=-1)
    return bit_linear(
        joined, p[prefix + "out_proj.weight"], p[prefix + "out_proj.norm.weight"], eps, quantize
    )


def feed_forward(x, p, prefix, eps, quantize):
    h = rms_norm(x, p[prefix + "norm.weight"], eps)
    gate_up = bit_linear(
        h, p[prefix + "gate_up.weight"], p[prefix + "gate_up.norm.weight"], eps, quantize
    )
    gate, up = gate_up.chunk(2, dim=-1)
    return bit_linear(
        torch.relu(gate) ** 2 * up,
        p[prefix + "down.weight"],
        p[prefix + "down.norm.weight"],
        eps,
        quantize,
    )


def logits(p, ids, *, layers, heads, kv_heads, eps=1e-5, theta=10000.0, quantize=True):
    """Parameters by name, ids [B, S] -> logits [B, S, V]."""
    x = p["token_embeddings.weight"][ids]
    for i in range(layers):
        x = x + attention(x, p, f"blocks.{i}.attention.", heads, kv_heads, eps, theta, quantize)
        x = x + feed_forward(x, p, f"blocks.{i}.feedforward.", eps, quantize)
    return rms_norm(x, p["final_norm.weight"], eps) @ p["lm_head.weight"].T


def next_token_loss(z, ids, label_smoothing=0.0):
    """Mean cross-entropy, in nats, of token t + 1 given tokens up to t: B * (S - 1) terms."""
    log_p = torch.log_softmax(z[:, :-1], dim=-1)
    of_target = -log_p.gather(-1, ids[:, 1:, None])[..., 0]
    return ((1 - label_smoothing) * of_target - label_smoothing * log_p.mean(dim=-1)).mean()


def learning_rate(t, total, peak=1.5e-3):
    """Warm-up, then two linear pieces: peak to 2/3 peak at the boundary, then on to peak / 1000 at
    the end.
    """
    warmup, boundary = min(375, total // 8), total // 2
    if t < warmup:
        return peak * t / warmup
    if t <= boundary:
        return peak - (peak - peak * 2 / 3) * (t - warmup) / (boundary - warmup)
    return peak * 2 / 3 - (peak * 2 / 3 - peak / 1000) * (t - boundary) / (total - boundary)


def weight_decay(t, total, stage1=0.1, stage2=0.0):
    return stage1 if t <= total // 2 else stage2


def make_optimizer(p, *, decoupled=False, undecayed=()):
    """Stock Adam (coupled L2) or AdamW (decoupled), one parameter group with everything in it.

    The parameters named in `undecayed` make a second group, which never decays.
    """
    kind = torch.optim.AdamW if decoupled else torch.optim.Adam
    groups = [{"params": [value for name, value in p.items() if name not in undecayed]}]
    if undecayed:
        groups.append({"params": [p[name] for name in undecayed], "weight_decay": 0.0})
    return kind(groups, lr=0.0, betas=(0.9, 0.95), eps=1e-8)


def train_step(p, optimizer, ids, lr, wd, *, clip=1.0, label_smoothing=0.0, **sizes):
    """One update of `p` in place on the batch `ids` [B, S]; the loss before it."""
    optimizer.param_groups[0].update(weight_decay=wd)
    for group in optimizer.param_groups:
        group.update(lr=lr)
    optimizer.zero_grad()
    loss = next_token_loss(logits(p, ids, **sizes), ids, label_smoothing)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(list(p.values()), clip)
    optimizer.step()
    return loss.item()
