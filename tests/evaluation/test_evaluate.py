"""One evaluation of a model: measures by their definitions, and what it says in tokens."""

import json
from dataclasses import asdict

import pytest
import torch

from bitnet import Probe, RunConfig, Trainer, measure
from bitnet.decode import continue_prompts
from bitnet.evaluation.diversity import CONTINUATION, OPENING
from bitnet.evaluation.evaluate import (
    NEXT_TOKENS,
    SHOWN,
    TOP_TOKENS,
    Evaluation,
    decoding_scores,
    observe,
)
from bitnet.evaluation.measures import MEASURES
from bitnet.evaluation.repetition import continuation_measures
from bitnet.evaluation.weights import HEALTH, WeightHealth
from bitnet.records import Snapshot
from bitnet.runtime.backend import choose
from bitnet.train import initial_model


@pytest.fixture(scope="module", params=["l2-0.0", "fp-l2-0.0"])
def looked(request, corpus):
    """A model, its probe, the measures, the snapshot, and the logits at all held-out positions."""
    probe = Probe.from_corpus(corpus, positions=700)
    model = initial_model(RunConfig(request.param, hidden=32, layers=1, heads=2), corpus.vocab_size)
    with torch.no_grad():  # a few tokens that win often, and a tail
        model.lm_head.weight[:40] *= 4
        logits = model(probe.windows[:, :-1]).flatten(0, 1)
    return model, probe, *observe(model, probe), logits


def test_measures_are_their_definitions(looked, corpus):
    model, probe, found, _, logits = looked
    targets, winners = probe.windows[:, 1:].flatten(), logits.argmax(-1)
    p = logits.double().softmax(-1)
    histogram = torch.bincount(winners).double() / len(winners)
    mean_entropy = torch.special.entr(p).sum(-1).mean().item()
    with torch.no_grad():
        answers = model(probe.prompts)[:, -1].argmax(-1)
    expected = {
        "unique_predictions": len(set(answers.tolist())),
        "unique_tokens": len(set(winners.tolist())),
        "effective_tokens": torch.special.entr(histogram).sum().exp().item(),
        "top1_share": histogram.max().item(),
        "context_information": torch.special.entr(p.mean(0)).sum().item() - mean_entropy,
        "predictive_entropy": mean_entropy,
        "val_loss": torch.nn.functional.cross_entropy(logits.double(), targets).item(),
        **continuation_measures(continue_prompts(model, probe.passages[:, :OPENING], CONTINUATION)),
    }
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-5, abs=1e-5), name
    assert measure(model, probe) == found


def test_the_winners_are_those_of_the_histogram(looked, corpus):
    _, probe, found, said, logits = looked
    counts = torch.bincount(logits.argmax(-1), minlength=corpus.vocab_size)
    assert len(said.top_tokens) == min(TOP_TOKENS, found["unique_tokens"])
    assert len({token for token, _, _ in said.top_tokens}) == len(said.top_tokens)
    for token, share, in_text in said.top_tokens:
        assert share == pytest.approx(counts[token].item() / len(logits))
        assert in_text == pytest.approx(probe.unigram[token].item())
    assert [share for _, share, _ in said.top_tokens] == sorted(
        (c / len(logits) for c in counts.tolist()), reverse=True
    )[: len(said.top_tokens)]
    assert said.top_tokens[0][1] == pytest.approx(found["top1_share"])


def test_abundances_count_the_whole_histogram(looked):
    _, _, found, said, logits = looked
    times = torch.bincount(logits.argmax(-1)).tolist()
    assert dict(said.abundances) == {n: times.count(n) for n in set(times) if n}
    assert sum(n * tokens for n, tokens in said.abundances) == len(logits)
    assert sum(tokens for _, tokens in said.abundances) == found["unique_tokens"]


def test_next_tokens_are_the_likeliest_with_their_probabilities(looked):
    model, probe, _, said, _ = looked
    assert len(said.next_tokens) == SHOWN
    with torch.no_grad():
        p = model(probe.passages[:SHOWN, :OPENING])[:, -1].double().softmax(-1)
    for answers, row in zip(said.next_tokens, p, strict=True):
        shares, tokens = row.sort(descending=True)
        assert [token for token, _ in answers] == tokens[:NEXT_TOKENS].tolist()
        assert [share for _, share in answers] == pytest.approx(
            shares[:NEXT_TOKENS].tolist(), rel=1e-4
        )


def test_continuations_are_greedy_and_begin_with_the_likeliest_token(looked):
    model, probe, _, said, _ = looked
    expected = continue_prompts(model, probe.passages[:SHOWN, :OPENING], CONTINUATION)
    assert said.continuations == expected.tolist()
    assert [row[0] for row in said.continuations] == [answers[0][0] for answers in said.next_tokens]


def test_a_snapshot_is_plain_json(looked):
    said = looked[3]

    def plain(value):
        return [plain(v) for v in value] if isinstance(value, list | tuple) else value

    line = json.dumps(vars(said))
    assert Snapshot(**json.loads(line)) == Snapshot(
        **{name: plain(value) for name, value in asdict(said).items()}
    )


def test_looking_does_not_change_the_model_or_the_random_state(looked):
    model, probe, _, said, _ = looked
    before = [p.detach().clone() for p in model.parameters()]
    state = torch.random.get_rng_state()
    assert observe(model, probe)[1] == said
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(p.grad is None for p in model.parameters())


SMALL = RunConfig("l2-blocks-0.0", hidden=32, layers=1, heads=2, steps=12, probe_positions=300)


def same(a, b):
    """Equal names and values, where NaN equals NaN."""
    return a.keys() == b.keys() and all(a[k] == b[k] or (a[k] != a[k] and b[k] != b[k]) for k in a)


def test_an_evaluation_is_measures_health_and_a_snapshot(corpus):
    evaluation = Evaluation(SMALL, corpus)
    model = initial_model(SMALL, corpus.vocab_size)
    measures, health, said = evaluation(model, 0.1)
    probe = Probe.from_corpus(corpus, 300, 32)
    assert (measures, said) == observe(model, probe)
    assert tuple(measures) == tuple(MEASURES)
    counts = torch.bincount(corpus.train, minlength=corpus.vocab_size)
    assert same(health, WeightHealth(counts, "blocks")(model, 0.1))
    assert tuple(health) == HEALTH
    assert evaluation.probe.references == probe.references


def test_an_evaluator_that_resumes_evaluates_as_if_it_had_never_stopped(corpus):
    """Its ternary values of the last evaluations belong to a checkpoint."""
    trainer, evaluation = (
        Trainer(SMALL, corpus, choose("cpu", "float32")),
        Evaluation(SMALL, corpus),
    )
    for step in range(1, 7):
        trainer.update(step)
        evaluation(trainer.model, 0.1)
    other = Evaluation(SMALL, corpus)
    other.restore({name: values.clone() for name, values in evaluation.state().items()})
    trainer.update(4)
    first, second = evaluation(trainer.model, 0.1), other(trainer.model, 0.1)
    assert first[0] == second[0]
    assert same(first[1], second[1])
    assert first[2] == second[2]
    assert first[1]["flipped"] > 0


def test_decoding_is_scored_for_the_text_and_each_model_both_ways(corpus):
    probe = Probe.from_corpus(corpus, positions=300)
    model = initial_model(SMALL, corpus.vocab_size)
    openings = probe.passages[:, :OPENING]
    table = decoding_scores({"mine": model}, probe, temperature=1.0, top_p=0.9, seed=3)
    assert list(table.index) == [("human text", ""), ("mine", "greedy"), ("mine", "sampled")]
    greedy = continue_prompts(model, openings, CONTINUATION)
    sampled = continue_prompts(model, openings, CONTINUATION, 1.0, top_p=0.9, seed=3)
    for row, said in (
        (("human text", ""), probe.passages[:, OPENING:]),
        (("mine", "greedy"), greedy),
        (("mine", "sampled"), sampled),
    ):
        assert table.loc[row].to_dict() == continuation_measures(said)
