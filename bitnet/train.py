"""Training: one run as a stream of records. Nothing here measures, draws, prints or judges."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from bitnet.batches import Batches
from bitnet.config import RunConfig
from bitnet.data import Corpus
from bitnet.recipes import Recipe
from bitnet.records import Diverged, Record, Snapshot
from bitnet.runtime.backend import Backend, choose
from bitnet.runtime.cpu import eager_optimizer, start_threads
from bitnet.runtime.cuda_graph import StepGraph
from bitnet.runtime.kernels import linear_cross_entropy
from bitnet.schedule import evaluation_steps
from bitnet.transformer import BitNetModel, parameter_groups
from bitnet.unlikelihood import penalised, unlikelihood

__all__ = [
    "Evaluator", "Trainer", "clip_scale", "initial_model", "make_optimizer", "optimized",
]  # fmt: skip

REPORT_EVERY = 10  # updates between records; each costs one wait for the device


class Evaluator(Protocol):
    """Measures a model after an update with decay `wd`: measures, weights' health, a snapshot.

    Between evaluations it may keep tensors; they belong to a checkpoint (`state`, `restore`).
    """

    def __call__(
        self, model: BitNetModel, wd: float
    ) -> tuple[dict[str, float], dict[str, float], Snapshot]: ...

    def state(self) -> dict[str, Tensor]: ...

    def restore(self, tensors: Mapping[str, Tensor]) -> None: ...


def initial_model(config: RunConfig, vocab_size: int) -> BitNetModel:
    """The model before its first update: the same weights for every arm of a seed, everywhere.

    Those that torch's own initialisation gives after `torch.manual_seed`, but from a generator of
    their own: from that of the process other threads draw too. Where an arm has an
    `embedding_std`, embedding and head are drawn after all others, with that standard deviation.
    """
    with torch.random.fork_rng(devices=[]):  # what is drawn here is drawn again below
        model = BitNetModel(config.model(vocab_size))
    generator = torch.Generator().manual_seed(config.seed)
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, generator=generator)
        elif isinstance(module, nn.Linear):
            nn.init.kaiming_uniform_(module.weight, a=5**0.5, generator=generator)
        elif isinstance(module, nn.RMSNorm):
            nn.init.ones_(module.weight)
    if std := config.recipe.embedding_std:
        for end in (model.token_embeddings, model.lm_head):
            nn.init.normal_(end.weight, std=std, generator=generator)
    return model


def clip_scale(parameters: Iterable[Tensor], clip_norm: float) -> Tensor:
    """What gradients are divided by so that their global norm is at most `clip_norm`, a scalar.

    As `torch.nn.utils.clip_grad_norm_` multiplies them. Source: Pascanu et al. 2013, algorithm 1.
    """
    gradients = [p.grad.flatten() for p in parameters if p.grad is not None]
    squares = [torch.dot(gradient, gradient) for gradient in gradients]
    norm = torch.stack(squares).sum().sqrt()
    return ((norm + 1e-6) / clip_norm).clamp(min=1.0).float()


def optimized(model: BitNetModel, recipe: Recipe) -> list[list[nn.Parameter]]:
    """The parameters as the optimizer has them: those that decay, then the others."""
    decayed = {id(p) for g in recipe.decayed_groups for p in parameter_groups(model)[g]}
    return [[p for p in model.parameters() if (id(p) in decayed) is one] for one in (True, False)]


def make_optimizer(model: BitNetModel, recipe: Recipe) -> torch.optim.Optimizer:
    """Adam or AdamW over every parameter; its learning rate and decay are set at each update.

    On CUDA the rate is a tensor, so that a captured update reads it anew.
    """
    kinds: dict[str, Any] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    kind: Any = eager_optimizer(kinds[recipe.optimizer])
    device = model.lm_head.weight.device
    on_gpu = device.type == "cuda"
    rate = torch.tensor(recipe.peak_lr, device=device) if on_gpu else recipe.peak_lr
    betas = (recipe.beta1, recipe.beta2)
    decayed, others = optimized(model, recipe)
    groups: list[dict] = [{"params": decayed}]
    if others:
        groups.append({"params": others, "weight_decay": 0.0})
    return kind(groups, lr=rate, betas=betas, eps=recipe.eps, fused=True, capturable=on_gpu)


class Trainer:
    """One run: iterate to train it, and receive a `Record` every few updates.

    The records at the run's evaluation steps carry what `evaluate` finds, if it is given. `model`
    and `optimizer` may be looked at between records. `done` is the number of updates made.

    Raises: `ParameterError` for a device that is not there; `Diverged` while iterating.
    """

    def __init__(
        self,
        config: RunConfig,
        corpus: Corpus,
        backend: Backend | None = None,
        evaluate: Evaluator | None = None,
    ):
        self.config = config
        self.recipe = config.recipe
        self.backend = backend or choose()
        self.evaluate = evaluate
        device = self.backend.device
        self.batches = Batches(config, corpus.ordered(config.order).to(device))
        self.ids = self.batches(1).clone()
        self.model = initial_model(config, corpus.vocab_size).to(device)
        self.optimizer = make_optimizer(self.model, self.recipe)
        self.no_inf = torch.zeros((), device=device)  # a fused optimizer wants it beside a scale
        self.graph = StepGraph() if self.backend.graphs else None
        self.evaluations = frozenset(evaluation_steps(config.steps, config.eval_every))
        self.done = 0

    def __iter__(self) -> Iterator[Record]:
        start_threads()
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
                lr, wd = self.recipe.rates(step, self.config.steps)
                found: tuple = ()
                if self.evaluate and step in self.evaluations:
                    found = self.evaluate(self.model, wd)
            yield Record(step, loss.item(), lr, wd, *found)

    def update(self, step: int) -> Tensor:
        """Update number `step`; the loss before it, still on the device."""
        lr, wd = self.recipe.rates(step, self.config.steps)
        self.optimizer.param_groups[0]["weight_decay"] = wd  # of the weights that decay at all
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(lr)
            else:
                group["lr"] = lr
        self.ids.copy_(self.batches(step))
        if self.recipe.unlikelihood and penalised(step, self.config.steps):
            return self.compute(self.recipe.unlikelihood)
        return self.graph(self.compute, baked=wd) if self.graph else self.compute()

    def compute(self, unlikely: float = 0.0) -> Tensor:
        """One update on the tokens in `ids`; the loss before it, without any penalty.

        Nothing in it waits for the device but the continuations that `unlikely`, the weight of the
        penalty on repeats, asks for. Such an update is never captured.
        """
        # A captured update writes into gradients of its own, which have to stay where they are.
        self.optimizer.zero_grad(set_to_none=not unlikely)
        features = self.model.features(self.ids)[:, :-1].flatten(0, 1)
        loss = linear_cross_entropy(
            features,
            self.model.lm_head.weight,
            self.ids[:, 1:].flatten(),
            self.recipe.label_smoothing,
            self.backend.head_dtype,
        )
        loss.backward()
        if unlikely:
            (unlikely * unlikelihood(self.model, self.ids)).backward()
        # What a GradScaler hands to a fused optimizer, which then divides the gradients as it reads
        # them. These attributes are torch's own, but `clip_grad_norm_` costs a pass over all
        # gradients more: 9 % of an update at hidden 256, in turns (LOG.md).
        scale = clip_scale(self.model.parameters(), self.recipe.clip_norm)
        self.optimizer.grad_scale = scale  # type: ignore[attr-defined]
        self.optimizer.found_inf = self.no_inf  # type: ignore[attr-defined]
        self.optimizer.step()
        return loss.detach()

    def state(self) -> dict[str, Tensor]:
        """All that the records from here on depend on, but for `done`.

        Weights, both moments of the optimizer, and what the evaluator keeps, on the host.
        """
        tensors = {f"model.{name}": value for name, value in self.weights().items()}
        if self.evaluate:
            kept = self.evaluate.state()
            tensors |= {f"health.{name}": value for name, value in kept.items()}
        for index, moments in self.optimizer.state_dict()["state"].items():
            named = {name: _on_host(value) for name, value in moments.items()}
            tensors |= {f"optimizer.{index}.{name}": value for name, value in named.items()}
        return tensors

    def weights(self) -> dict[str, Tensor]:
        """The weights by the model's own names, on the host."""
        return {name: _on_host(value) for name, value in self.model.state_dict().items()}

    def restore(self, done: int, tensors: Mapping[str, Tensor]) -> None:
        """Resume from a `state` taken after update `done`: what follows is the same bit for bit."""
        self.model.load_state_dict(_under("model.", tensors))
        if self.evaluate:
            self.evaluate.restore(_under("health.", tensors))
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in _under("optimizer.", tensors).items():
            index, moment = name.split(".")
            moments.setdefault(int(index), {})[moment] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        self.done = done


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }


def _on_host(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().contiguous()
