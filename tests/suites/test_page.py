"""What lm-eval and TransformerLens find in an export is what our own model says."""

import json
import math

import pytest
import torch
import torch.nn.functional as F
from transformers import AutoModelForCausalLM

import bitnet

WINDOW = 32


def bits_per_byte(run, text):
    """Ours, in lm-eval's windows: one after the other, the last one filled from before it."""
    ids = torch.tensor([0, *run.vocabulary.encode([text])[0]])
    whole = (len(ids) - 1) // WINDOW * WINDOW
    rest = len(ids) - 1 - whole
    rows, last = ids[:whole].view(-1, WINDOW), ids[-WINDOW - 1 :]
    nats = F.cross_entropy(run.model(rows).flatten(0, 1), ids[1 : whole + 1], reduction="sum")
    if rest:
        logits = run.model(last[None, :-1])[0, -rest:]
        nats += F.cross_entropy(logits, last[-rest:], reduction="sum")
    return nats.item() / math.log(2) / len(text.encode())


def test_the_bits_per_byte_of_lm_eval_are_ours(commands):
    (file,) = commands.glob("scores/**/results_*.json")
    found = json.loads(file.read_text())["results"]["text"]["bits_per_byte,none"]
    run = bitnet.load(next((commands / "results" / "miniature-runs").glob("adamw-0.0-*-s0-*")))
    with torch.inference_mode():
        ours = bits_per_byte(run, (commands / "my.txt").read_text())
    assert found == pytest.approx(ours, abs=1e-4)
    assert 2 < ours < 4  # an untrained model has about six


def test_the_examples_run_and_the_bridge_has_the_logits_of_transformers(
    page, commands, monkeypatch, capsys
):
    monkeypatch.chdir(commands)
    names = {}
    for code in (code for language, code in page if language == "python"):
        exec(code, names)
    said = capsys.readouterr().out
    run = bitnet.load(next((commands / "results" / "miniature-runs").glob("adamw-0.0-*-s0-*")))
    assert "The history of" + run.generate("The history of", tokens=24) in said
    ids = torch.arange(4 * WINDOW).view(4, -1)
    model = AutoModelForCausalLM.from_pretrained("out", attn_implementation="eager")
    with torch.inference_mode():
        assert torch.equal(names["bridge"](ids), model(ids).logits)
        assert names["logits"].shape == (1, 3, run.model.config.vocab_size)
