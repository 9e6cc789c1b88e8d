"""Training: one run as a stream of records. Nothing here draws, prints or judges."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from bitnet.arms import Recipe
from bitnet.backend import Backend, choose
from bitnet.config import RunConfig
from bitnet.data import Corpus
from bitnet.diversity import Probe
from bitnet.graph import StepGraph
from bitnet.head import head_loss
from bitnet.health import Health
from bitnet.observe import Snapshot, observe
from bitnet.schedule import evaluation_steps, learning_rate, weight_decay
from bitnet.transformer import BitNetModel

__all__ = ["Diverged", "Record", "Trainer", "batch", "clip_scale", "initial_model", "loss_and_gradients"]

REPORT_EVERY = 10  # updates between records; each costs one wait for the device


class Diverged(ArithmeticError):
    """The loss of a run is no longer a finite number."""


@dataclass(frozen=True)
class Record:
    """The run after update `step`: the loss of that update's batch (nats), its rates, and what an evaluation found, if any."""

    step: int
    loss: float
    lr: float
    wd: float
    measures: dict[str, float] = field(default_factory=dict)
    health: dict[str, float] = field(default_factory=dict)
    snapshot: Snapshot | None = None


def batch(stream: Tensor, step: int, batch_size: int, length: int) -> Tensor:
    """Update t = 1, 2, ... reads the t-th consecutive piece of `stream` [N], as [batch_size, length]; the end wraps around."""
    size = batch_size * length
    start = (step - 1) * size % len(stream)
    if start + size <= len(stream):
        return stream[start : start + size].view(batch_size, length)
    positions = torch.arange(start, start + size, device=stream.device) % len(stream)
    return stream[positions].view(batch_size, length)


def initial_model(config: RunConfig, vocab_size: int) -> BitNetModel:
    """The model before its first update: the same weights for every arm of a seed, on every device."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return BitNetModel(config.model(vocab_size))


def loss_and_gradients(
    model: BitNetModel, ids: Tensor, label_smoothing: float = 0.0, head_dtype: torch.dtype | None = None
) -> Tensor:
    """Mean cross-entropy (nats) of the B * (S - 1) next tokens of `ids` [B, S]; sets every parameter's gradient."""
    features = model.features(ids)[:, :-1].flatten(0, 1)
    weight = model.lm_head.weight
    loss, by_features, by_weight = head_loss(features.detach(), weight, ids[:, 1:].flatten(), label_smoothing, head_dtype)
    features.backward(by_features)
    weight.grad = by_weight
    return loss


def clip_scale(parameters: Iterable[Tensor], clip_norm: float) -> Tensor:
    """What gradients are divided by so that their global norm is at most `clip_norm` (Pascanu et al. 2013, algorithm 1).

    As `torch.nn.utils.clip_grad_norm_`, without its pass over the gradients: the fused optimizer divides as it reads.
    """
    squares = [torch.dot(p.grad.flatten(), p.grad.flatten()) for p in parameters if p.grad is not None]
    norm = torch.stack(squares).sum().sqrt()
    return ((norm + 1e-6) / clip_norm).clamp(min=1.0).float()


class Trainer:
    """One run: iterate to train it, and receive a `Record` every few updates.

    The records at the run's evaluation steps carry the measures. `model` and `optimizer` may be looked at between
    records. Errors: `ParameterError` for a device that is not there.
    """

    def __init__(self, config: RunConfig, corpus: Corpus, backend: Backend | None = None, probe: Probe | None = None):
        self.config = config
        self.recipe = config.recipe
        self.backend = backend or choose()
        device = self.backend.device
        self.stream = corpus.train.to(device)
        self.ids = batch(self.stream, 1, config.batch_size, config.sequence_length).clone()
        self.probe = probe or Probe.from_corpus(corpus, config.probe_positions, config.sequence_length)
        self.model = initial_model(config, corpus.vocab_size).to(device)
        self.health = Health(self.model, torch.bincount(corpus.train, minlength=corpus.vocab_size), self.recipe.decayed)
        self.optimizer = make_optimizer(self.model, self.recipe)
        self.no_inf = torch.zeros((), device=device)  # the fused optimizer wants it beside a gradient scale
        self.graph = StepGraph() if self.backend.graphs else None
        self.evaluations = frozenset(evaluation_steps(config.steps, config.eval_every))
        self.done = 0  # updates made so far

    def __iter__(self) -> Iterator[Record]:
        while self.done < self.config.steps:
            step = self.done + 1
            with self.backend.in_force():
                loss = self.update(step)
                self.done = step
                reported = step in self.evaluations or step % REPORT_EVERY == 0
                # Looking at the loss waits for the device, which only a CPU does in any case.
                if (reported or loss.device.type == "cpu") and not loss.isfinite():
                    raise Diverged(f"the loss of step {step} is {loss.item()}")
                if not reported:
                    continue
                lr, wd = self.rates(step)
                found: tuple = ()
                if step in self.evaluations:
                    measures, snapshot = observe(self.model, self.probe)
                    found = measures, self.health(wd), snapshot
            yield Record(step, loss.item(), lr, wd, *found)

    def state(self) -> dict[str, Tensor]:
        """Everything that the records from here on depend on, but for `done`: weights, both moments, last ternary values."""
        tensors = {f"model.{name}": value for name, value in self.weights().items()}
        tensors |= {f"health.{name}": value for name, value in self.health.state().items()}
        for index, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": _on_host(value) for name, value in moments.items()}
        return tensors

    def weights(self) -> dict[str, Tensor]:
        """The weights by the model's own names, in the host's memory."""
        return {name: _on_host(value) for name, value in self.model.state_dict().items()}

    def restore(self, done: int, tensors: Mapping[str, Tensor]) -> None:
        """Go on from a `state` taken after update `done`: what follows is what would have followed there, bit for bit."""
        self.model.load_state_dict(_under("model.", tensors))
        self.health.restore(_under("health.", tensors))
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in _under("optimizer.", tensors).items():
            index, moment = name.split(".")
            moments.setdefault(int(index), {})[moment] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        self.done = done

    def rates(self, step: int) -> tuple[float, float]:
        """Learning rate and weight decay of update `step`."""
        recipe, total = self.recipe, self.config.steps
        lr = learning_rate(step, total, recipe.peak_lr)
        return lr, weight_decay(step, total, recipe.stage1_decay, recipe.stage2_decay)

    def update(self, step: int) -> Tensor:
        """Update number `step`; the loss before it, still on the device."""
        lr, wd = self.rates(step)
        self.optimizer.param_groups[0]["weight_decay"] = wd  # of the weights that decay at all
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(lr)
            else:
                group["lr"] = lr
        self.ids.copy_(batch(self.stream, step, self.config.batch_size, self.config.sequence_length))
        return self.graph(self.compute, baked=wd) if self.graph else self.compute()

    def compute(self) -> Tensor:
        """One update on the tokens in `ids`, at the rates in the optimizer; nothing in it waits for the device."""
        self.optimizer.zero_grad(set_to_none=True)
        loss = loss_and_gradients(self.model, self.ids, self.recipe.label_smoothing, self.backend.head_dtype)
        # The attributes by which a GradScaler hands its scale to a fused optimizer; torch declares them nowhere.
        self.optimizer.grad_scale = clip_scale(self.model.parameters(), self.recipe.clip_norm)  # type: ignore[attr-defined]
        self.optimizer.found_inf = self.no_inf  # type: ignore[attr-defined]
        self.optimizer.step()
        return loss


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _on_host(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().contiguous()


def make_optimizer(model: BitNetModel, recipe: Recipe) -> torch.optim.Optimizer:
    """Adam or AdamW over every parameter; its learning rate and decay are set anew at each update.

    On CUDA the rate is a tensor, so that a captured update reads it anew.
    """
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[recipe.optimizer]
    device = model.lm_head.weight.device
    on_gpu = device.type == "cuda"
    rate = torch.tensor(recipe.peak_lr, device=device) if on_gpu else recipe.peak_lr
    betas = (recipe.beta1, recipe.beta2)
    groups: list[dict] = [{"params": list(model.parameters())}]
    if recipe.decayed == "blocks":  # the group that decays comes first
        vocabulary = [model.token_embeddings.weight, model.lm_head.weight]
        rest = [p for p in model.parameters() if all(p is not row for row in vocabulary)]
        groups = [{"params": rest}, {"params": vocabulary, "weight_decay": 0.0}]
    return kind(groups, lr=rate, betas=betas, eps=recipe.eps, fused=True, capturable=on_gpu)
