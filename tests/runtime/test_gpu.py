"""All that a run does on a GPU besides its updates, against the same on the CPU.

Each test is run on a GPU in software, and on that of the machine where there is one.
"""

from pathlib import Path
from threading import Barrier

import pytest
import torch

from bitnet import RunConfig, Trainer, train
from bitnet.decode import continue_prompts
from bitnet.evaluation import evaluate
from bitnet.evaluation.evaluate import Evaluation
from bitnet.runs.run import Stop, run
from bitnet.runs.weights import load_model
from bitnet.runtime.backend import choose
from bitnet.sweep import estimate
from bitnet.sweep.job import Job
from bitnet.train import initial_model
from tests.support.corpus import VOCABULARY

CPU = choose("cpu", "float32")
SMALL = {
    "hidden": 16, "layers": 1, "heads": 2, "steps": 10, "eval_every": 10, "probe_positions": 310,
    "vocabulary": VOCABULARY,
}  # fmt: skip


@pytest.fixture
def short(monkeypatch):
    """Continuations of five tokens, not of 24: they are most of an evaluation of a small model."""
    monkeypatch.setattr(evaluate, "CONTINUATION", 5)


def test_an_evaluation_finds_what_it_finds_on_the_cpu(corpus, gpu):
    """Measures, snapshot and health; the second one has values of the first to compare with."""
    config = RunConfig("fp-l2-0.0", **SMALL)
    here, there = (Trainer(config, corpus, backend) for backend in (CPU, choose("cuda")))
    looks = Evaluation(config, corpus), Evaluation(config, corpus)
    for step in (1, 2):
        for trainer in (here, there):
            trainer.update(step)
        (m, health, said), (m2, health2, said2) = (
            look(trainer.model, 0.1) for look, trainer in zip(looks, (here, there), strict=True)
        )
        assert m2 == pytest.approx(m, rel=1e-3)
        assert health2 == pytest.approx(health, rel=1e-3, abs=1e-6, nan_ok=True)
        assert said2.continuations == said.continuations
        assert said2.top_tokens == said.top_tokens
    assert health2["flipped"] > 0


# A rate that is a tensor is copied with the settings of the optimizer, by its address in software.
@pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")
def test_a_stopped_run_resumes_from_its_checkpoint(corpus, gpu, short, tmp_path):
    config, backend = RunConfig("l2-0.05", **SMALL), choose("cuda")

    def stop(config, record):
        if record.step == 5:
            raise Stop

    whole = run(config, corpus, tmp_path / "whole", backend, log=lambda _: None)
    with pytest.raises(Stop):
        run(config, corpus, tmp_path / "parts", backend, [stop], log=lambda _: None)
    lines = []
    parts = run(config, corpus, tmp_path / "parts", backend, log=lines.append)
    assert "resumes from step 5" in lines[0]
    assert parts.manifest["device"]["kind"] == "cuda"
    assert parts.measures.loss.tolist() == pytest.approx(whole.measures.loss.tolist(), abs=1e-4)
    for a, b in zip(load_model(parts).parameters(), load_model(whole).parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_decoding_says_what_it_says_on_the_cpu(corpus, gpu, temperature):
    model = initial_model(RunConfig("fp-l2-0.0", **SMALL), corpus.vocab_size)
    prompts = corpus.train[:12].view(3, 4)
    here = continue_prompts(model, prompts, 6, temperature, top_p=0.9)
    assert torch.equal(continue_prompts(model.to("cuda"), prompts, 6, temperature, top_p=0.9), here)


def test_its_speed_is_measured(corpus, gpu, short, monkeypatch):
    """Two updates of each kind, not ten; in this process, which waits for no other."""
    monkeypatch.setattr(estimate, "load_corpus", lambda *_, **__: corpus)
    monkeypatch.setattr(estimate, "UPDATES", 2)
    monkeypatch.setattr(train, "REPORT_EVERY", 2)
    monkeypatch.setattr(estimate, "_together", Barrier(1))
    job = Job(RunConfig("l2-0.05", **SMALL), "name", Path("runs"), device="cuda")
    update, evaluation, penalised, ready = estimate._time(job)
    assert min(update, evaluation, ready) > 0
    assert penalised == 0.0  # the arm has no penalty


@pytest.mark.parametrize("left", ["ids", "head", "moments"])
def test_a_tensor_left_on_the_host_is_refused(corpus, gpu, left):
    """A fault sown into an update."""
    trainer = Trainer(RunConfig("l2-0.05", **SMALL), corpus, choose("cuda"))
    trainer.update(1)
    if left == "ids":
        trainer.ids = trainer.ids.cpu()
    elif left == "head":
        trainer.model.lm_head.cpu()
    else:
        moments = trainer.optimizer.state[trainer.model.lm_head.weight]
        moments["exp_avg"] = moments["exp_avg"].cpu()
    with pytest.raises(RuntimeError, match="device"):
        trainer.update(2)


def test_a_probe_left_on_the_host_is_refused(corpus, gpu, monkeypatch):
    """A fault sown into an evaluation."""
    config = RunConfig("l2-0.05", **SMALL)
    look = Evaluation(config, corpus)
    model = initial_model(config, corpus.vocab_size).to("cuda")
    features = type(model).features
    monkeypatch.setattr(
        type(model), "features", lambda self, ids, *c: features(self, ids.cpu(), *c)
    )
    with pytest.raises(RuntimeError, match="device"):
        look(model, 0.1)
