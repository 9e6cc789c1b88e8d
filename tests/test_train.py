"""Training: the plain reference's path, exact repetition, and the collapse itself in miniature."""

import threading

import pytest
import torch

from benchmarks import reference
from bitnet import Probe, RunConfig, Trainer, measure
from bitnet.batches import Batches
from bitnet.evaluation.evaluate import Evaluation
from bitnet.runtime.backend import choose
from bitnet.runtime.kernels import linear_cross_entropy
from bitnet.train import clip_scale, initial_model, make_optimizer
from bitnet.transformer import BitNetModel

CPU = choose("cpu", precision="float32")
SMALL = {"hidden": 32, "layers": 2, "heads": 2, "probe_positions": 300}


def evaluated(config, corpus, backend=CPU):
    """A trainer that is handed the evaluation of its run."""
    return Trainer(config, corpus, backend, Evaluation(config, corpus))


def at_the_end(config, corpus, precision="float32"):
    """The measures of a run after its last update, and its model."""
    trainer = Trainer(config, corpus, choose("cpu", precision))
    for _ in trainer:
        pass
    return measure(trainer.model, Probe.from_corpus(corpus, config.probe_positions)), trainer.model


def group_of(name):
    """By the names of the brief's parameters."""
    ends = {"token_embeddings.weight": "embedding", "lm_head.weight": "head"}
    return ends.get(name, "norm" if "norm" in name else "ternary")


def trainer_and_reference(corpus, arm, steps, dtype, layers=2):
    """A trainer, and the reference's update number t from the same weights and data."""
    config = RunConfig(arm, steps=steps, **(SMALL | {"layers": layers}))
    trainer = Trainer(config, corpus, CPU)
    trainer.model.to(dtype)
    trainer.optimizer = make_optimizer(trainer.model, trainer.recipe)
    p = {
        name: value.detach().clone().requires_grad_()
        for name, value in trainer.model.named_parameters()
    }
    recipe = trainer.recipe
    undecayed = [name for name in p if group_of(name) not in recipe.decayed_groups]
    optimizer = reference.make_optimizer(
        p, decoupled=recipe.optimizer == "adamw", undecayed=undecayed
    )

    def plain_step(t):
        ids = corpus.train[(torch.arange(128) + (t - 1) * 128) % len(corpus.train)].view(4, 32)
        return reference.train_step(
            p, optimizer, ids,
            reference.learning_rate(t, steps, recipe.peak_lr),
            reference.weight_decay(t, steps, recipe.stage1_decay, recipe.stage2_decay),
            clip=recipe.clip_norm, label_smoothing=recipe.label_smoothing,
            layers=layers, heads=2, kv_heads=2, quantize=recipe.quantize,
        )  # fmt: skip

    return trainer, p, plain_step


@pytest.mark.parametrize(
    "arm",
    [
        "l2-0.05",
        "l2-0.0",
        "adamw-0.05",
        "l2-label-smoothing",
        "l2-grad-clip",
        "fp-adamw-0.0",
        "l2-blocks-0.0",
        "l2-0.0+decayed=embedding",
        "adamw-0.0+decayed=all-but-norm",
    ],
)
def test_every_kind_of_arm_follows_the_reference_across_the_switch(corpus, arm):
    """In float64 for 24 updates: the same losses to 1e-6 nats.

    Adam divides by the root of a second moment that starts near zero, which magnifies rounding, and
    a quantization threshold crossed by rounding would show as a difference of 1e-3 or more.
    """
    trainer, p, plain_step = trainer_and_reference(corpus, arm, steps=24, dtype=torch.float64)
    for t in range(1, 25):
        assert trainer.update(t).item() == pytest.approx(plain_step(t), abs=1e-6), t
    for name, value in trainer.model.named_parameters():
        torch.testing.assert_close(value, p[name], rtol=1e-4, atol=1e-6, msg=name)


def test_the_first_update_is_the_reference_to_float32_rounding(corpus, kernel):
    trainer, _, plain_step = trainer_and_reference(
        corpus, "fp-l2-0.0", steps=24, dtype=torch.float32
    )
    assert trainer.update(1).item() == pytest.approx(plain_step(1), rel=1e-6)


@pytest.mark.parametrize("arm", ["l2-0.0", "adamw-0.0", "fp-adamw-0.0"])
def test_300_float32_updates_deviate_from_the_reference_as_rounding_does(
    corpus, arm, kernels, take_kernel
):
    """Across the switch: no more than three times what rounding does to the reference itself.

    A ternary network turns rounding into real differences: a value that crosses a threshold moves
    by a whole level. So the yardstick is the reference with its initial weights moved by up to an
    eighth of a unit in the last place; 1e-5 is the rounding of a loss.
    """
    float32 = {"steps": 300, "dtype": torch.float32, "layers": 1}
    _, _, plain_step = trainer_and_reference(corpus, arm, **float32)
    _, p, moved_step = trainer_and_reference(corpus, arm, **float32)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for value in p.values():
            value.mul_(1 + 2**-22 * (torch.rand(value.shape, generator=generator) - 0.5))
    plain = [plain_step(t) for t in range(1, 301)]
    rounding = [abs(moved_step(t) - plain[t - 1]) for t in range(1, 301)]
    for kernel in kernels:
        take_kernel(kernel)
        trainer, _, _ = trainer_and_reference(corpus, arm, **float32)
        ours = [abs(trainer.update(t).item() - plain[t - 1]) for t in range(1, 301)]
        assert sum(ours) / 300 <= 3 * sum(rounding) / 300 + 1e-5, kernel


def test_bfloat16_products_end_within_the_spread_of_seeds(corpus):
    """Final held-out loss of AdamW: both precisions differ by less than the float32 seeds do."""
    final = {}
    for precision in ("float32", "bfloat16"):
        for seed in range(3):
            config = RunConfig("adamw-0.0", steps=120, seed=seed, **SMALL)
            final[precision, seed] = at_the_end(config, corpus, precision)[0]["val_loss"]
    exact, mixed = (
        [loss for (p, _), loss in final.items() if p == precision]
        for precision in ("float32", "bfloat16")
    )
    assert exact != mixed
    assert abs(sum(exact) - sum(mixed)) / 3 < max(exact) - min(exact)


def test_decay_of_the_blocks_spares_embedding_and_head(corpus):
    """After one update only the decaying weights differ from those of the arm without decay."""
    after = {}
    for arm in ("l2-blocks-0.0", "no-decay"):
        trainer = Trainer(RunConfig(arm, **SMALL), corpus, CPU)
        assert sum(len(group["params"]) for group in trainer.optimizer.param_groups) == len(
            list(trainer.model.parameters())
        )
        trainer.update(1)
        after[arm] = trainer.weights()
    equal = {
        name
        for name, value in after["no-decay"].items()
        if torch.equal(value, after["l2-blocks-0.0"][name])
    }
    assert equal == {"token_embeddings.weight", "lm_head.weight"}


def test_the_penalty_on_repeats_begins_late_and_is_no_part_of_the_loss(corpus, monkeypatch):
    monkeypatch.setattr("bitnet.train.unlikelihood", lambda model, ids: model.lm_head.weight.sum())
    sizes = SMALL | {"steps": 16}
    plain = Trainer(RunConfig("adamw-0.0", **sizes), corpus, CPU)
    penalised = Trainer(RunConfig("adamw-0.0+unlikelihood=10.0", **sizes), corpus, CPU)
    for step in range(1, 17):
        losses = [trainer.update(step).item() for trainer in (plain, penalised)]
        weights = [trainer.weights() for trainer in (plain, penalised)]
        same = all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
        # The first is update 14: its loss is that of the text, before it changes the weights.
        assert same is (step < 14)
        assert (losses[0] == losses[1]) is (step < 15)


def test_the_clip_scale_is_that_of_clip_grad_norm():
    parameters = [torch.randn(5, 3), torch.randn(7)]
    for p in parameters:
        p.grad = torch.randn_like(p)
    for clip in (0.1, 1.0, 100.0):
        expected = [p.grad.clone().requires_grad_() for p in parameters]
        for e, p in zip(expected, parameters, strict=True):
            e.grad = p.grad.clone()
        torch.nn.utils.clip_grad_norm_(expected, clip)
        for e, p in zip(expected, parameters, strict=True):
            torch.testing.assert_close(p.grad / clip_scale(parameters, clip), e.grad)


@pytest.mark.parametrize("clip", [0.1, 1.0, 100.0])
def test_gradients_are_clipped_as_by_clip_grad_norm(corpus, clip):
    """What the optimizer sees, after the same backward pass; a bound of 100 changes nothing."""
    config = RunConfig({"base": "adamw-0.0", "clip_norm": clip}, **SMALL)
    trainer, plain = (Trainer(config, corpus, CPU) for _ in range(2))
    trainer.update(1)
    ids = Batches(config, corpus.train)(1)
    features = plain.model.features(ids)[:, :-1].flatten(0, 1)
    linear_cross_entropy(features, plain.model.lm_head.weight, ids[:, 1:].flatten()).backward()
    unclipped = [p.grad.clone() for p in plain.model.parameters()]
    torch.nn.utils.clip_grad_norm_(plain.model.parameters(), clip)
    pairs = list(zip(trainer.model.parameters(), plain.model.parameters(), strict=True))
    for ours, theirs in pairs:
        torch.testing.assert_close(ours.grad, theirs.grad)
    changed = [not torch.equal(p.grad, u) for (p, _), u in zip(pairs, unclipped, strict=True)]
    assert all(changed) if clip < 100 else not any(changed)


def test_only_embedding_and_head_start_otherwise_with_a_standard_deviation_of_their_own():
    arm = {"base": "adamw-0.0", "embedding_std": 0.02}
    plain, small = (initial_model(RunConfig(a, **SMALL), 500) for a in ("adamw-0.0", arm))
    ends = {"token_embeddings.weight", "lm_head.weight"}
    for name, value in plain.state_dict().items():
        other = small.state_dict()[name]
        assert torch.equal(value, other) is (name not in ends)
        if name in ends:
            assert other.std().item() == pytest.approx(0.02, rel=0.05)


def test_arms_of_a_seed_start_from_the_same_weights_and_seeds_differ():
    first = initial_model(RunConfig("l2-0.05", **SMALL), 500).state_dict()
    for arm in ("adamw-0.0", "fp-l2-0.0"):
        assert all(
            torch.equal(value, first[name])
            for name, value in initial_model(RunConfig(arm, **SMALL), 500).state_dict().items()
        )
    other = initial_model(RunConfig("l2-0.05", seed=1, **SMALL), 500).state_dict()
    assert not torch.equal(other["lm_head.weight"], first["lm_head.weight"])


def test_the_initial_weights_are_those_of_torch_after_its_seed():
    """To the last bit: committed runs began with them."""
    for config in (RunConfig("l2-0.0", seed=3, **SMALL), RunConfig("fp-l2-0.0", seed=4, **SMALL)):
        torch.manual_seed(config.seed)
        plain, ours = BitNetModel(config.model(500)), initial_model(config, 500)
        for name, value in ours.state_dict().items():
            assert torch.equal(value, plain.state_dict()[name]), name
        assert all(p.requires_grad for p in ours.parameters())


def test_initial_weights_do_not_depend_on_other_threads_that_draw():
    config, done = RunConfig("l2-0.0", **SMALL), threading.Event()
    alone = initial_model(config, 500).state_dict()

    def draw():
        while not done.is_set():
            torch.rand(1000)

    thread = threading.Thread(target=draw)
    thread.start()
    try:
        together = [initial_model(config, 500).state_dict() for _ in range(20)]
    finally:
        done.set()
        thread.join()
    assert all(torch.equal(found[n], alone[n]) for found in together for n in alone)


def test_building_a_model_leaves_the_random_state_alone():
    before = torch.random.get_rng_state()
    initial_model(RunConfig("l2-0.0", **SMALL), 500)
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_run_repeats_itself_exactly(corpus):
    config = RunConfig("l2-0.0", steps=20, eval_every=10, **SMALL)
    first, second = evaluated(config, corpus), evaluated(config, corpus)
    assert list(first) == list(second)
    for a, b in zip(first.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_records_carry_the_rates_and_the_measures_at_evaluations(corpus):
    config = RunConfig("l2-0.05", steps=40, eval_every=15, **SMALL)
    records = list(evaluated(config, corpus))
    assert [r.step for r in records if r.measures] == [1, 8, 15, 20, 28, 30, 40]
    assert [r.step for r in records if not r.measures] == [10]
    assert {r.wd for r in records if r.step <= 20} == {0.1}
    assert {r.wd for r in records if r.step > 20} == {0.05}
    assert records[-1].lr == pytest.approx(1.5e-6)


def test_a_trainer_alone_trains_alike_and_measures_nothing(corpus):
    config = RunConfig("l2-0.0", steps=20, eval_every=10, **SMALL)
    alone, other = Trainer(config, corpus, CPU), evaluated(config, corpus)
    plain, measured = list(alone), list(other)
    assert [(r.step, r.loss, r.lr, r.wd) for r in plain] == [
        (r.step, r.loss, r.lr, r.wd) for r in measured
    ]
    assert not any(r.measures or r.health or r.snapshot for r in plain)
    for a, b in zip(alone.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert not any(name.startswith("health.") for name in alone.state())


def test_an_evaluator_gets_the_model_and_the_decay_of_each_evaluation(corpus):
    """It may be anything with these three methods; what it keeps belongs to the state."""

    class Evaluator:
        seen = 0

        def __call__(self, model, wd):
            self.seen += 1
            return {"decay": wd}, {"rows": len(model.lm_head.weight)}, None

        def state(self):
            return {"seen": torch.tensor(self.seen)}

        def restore(self, tensors):
            self.seen = int(tensors["seen"])

    config = RunConfig("l2-0.05", steps=40, eval_every=20, **SMALL)
    trainer = Trainer(config, corpus, CPU, Evaluator())
    records = [r for r in trainer if r.measures]
    assert [(r.step, r.measures["decay"]) for r in records] == [
        (1, 0.1), (8, 0.1), (20, 0.1), (28, 0.05), (30, 0.05), (40, 0.05),
    ]  # fmt: skip
    assert {r.health["rows"] for r in records} == {corpus.vocab_size}
    other = Trainer(config, corpus, CPU, Evaluator())
    other.restore(trainer.done, trainer.state())
    assert other.evaluate.seen == 6


def test_cuda_follows_the_cpu(corpus, gpu):
    """Full precision, float32: the same losses within 1e-3 nats over 20 updates."""
    config = RunConfig("fp-adamw-0.0", steps=20, **(SMALL | {"layers": 1}))
    here, there = Trainer(config, corpus, CPU), Trainer(config, corpus, choose("cuda"))
    for t in range(1, 21):
        assert there.update(t).item() == pytest.approx(here.update(t).item(), abs=1e-3)


def test_coupled_decay_kills_the_network_and_decoupled_decay_does_not(corpus):
    """The collapse in miniature: 2048 tokens, most of them rare, 240 updates at hidden 32."""
    last, head = {}, {}
    for arm in ("l2-0.1", "adamw-0.0", "no-decay"):
        last[arm], model = at_the_end(RunConfig(arm, steps=240, **SMALL), corpus)
        head[arm] = model.lm_head.weight.abs().mean().item()
    unigram = Probe.from_corpus(corpus, SMALL["probe_positions"]).references["unigram_loss"]
    assert last["l2-0.1"]["context_information"] < 0.1
    assert last["l2-0.1"]["val_loss"] > unigram
    for arm in ("adamw-0.0", "no-decay"):
        assert last[arm]["context_information"] > 0.5
        assert last[arm]["val_loss"] < unigram
        assert head["l2-0.1"] < head[arm] / 10


@pytest.mark.parametrize("arm", ["l2-0.0", "adamw-0.0"])
def test_numbers_too_small_to_matter_change_no_weight(corpus, monkeypatch, arm):
    """Moments below the normal range: taken as zero, as training does, or at full length."""
    config = RunConfig(arm, hidden=32, layers=1, heads=2, steps=24, probe_positions=100)
    weights = []
    for flush in (True, False):
        monkeypatch.setattr(
            torch,
            "set_flush_denormal",
            lambda on, flush=flush, real=torch.set_flush_denormal: real(on and flush),
        )
        trainer = Trainer(config, corpus, choose("cpu"))
        trainer.update(13)  # Stage 2: decay is 0
        for moments in trainer.optimizer.state.values():
            moments["exp_avg"][::2] = 1e-40
            moments["exp_avg_sq"][::2] = 1e-42
        with trainer.backend.in_force():
            for step in range(14, 25):
                trainer.update(step)
        weights.append([p.detach().clone() for p in trainer.model.parameters()])
        monkeypatch.undo()
    assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))
