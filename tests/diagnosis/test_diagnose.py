"""The diagnosis as people call it: what it returns, what it leaves alone, and what it refuses."""

import subprocess
import sys

import pytest
import torch
from torch.optim import AdamW

import bitnet
from benchmarks.models import SIZE, PlainGPT, gpt2, train
from bitnet import ParameterError
from bitnet.diagnosis.diagnose import Diagnosis
from bitnet.extras import remedy
from tests.support.corpus import made_up_vocabulary


def test_a_diagnosis_has_every_measure_with_its_references(unseen):
    torch.manual_seed(0)
    found = bitnet.diagnose(PlainGPT(), unseen, positions=500)
    assert isinstance(found, Diagnosis)
    assert set(found.measures) == set(bitnet.MEASURES)
    levels = {level for measure in bitnet.MEASURES.values() for level in measure.levels}
    assert levels <= set(found.references)
    assert found.state == bitnet.state(found.measures, found.references) == "dead"
    assert str(found).startswith("PlainGPT: dead\nwarning: dead: every prediction is uniform")
    assert found.facts.positions == 527  # seventeen windows
    assert found.facts.tokens == len(unseen) // 32 * 32


def test_transformers_and_plain_modules_of_the_same_weights_agree(unseen):
    model = gpt2()

    class Plain(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = model

        def forward(self, ids):
            return self.inner(ids).logits

    first, second = (bitnet.diagnose(m, unseen, positions=300) for m in (model, Plain()))
    assert first.measures == second.measures
    assert first.facts.tied and second.facts.tied


def test_nothing_is_changed_in_model_optimizer_gradients_modes_and_random_numbers(texts):
    torch.manual_seed(0)
    model = PlainGPT()
    optimizer = AdamW(model.parameters(), lr=1e-3, weight_decay=0.1)
    train(model, optimizer, texts[0], steps=5)
    model.eval()
    model.blocks.train()

    def everything():
        return {
            "weights": [p.clone() for p in model.parameters()],
            "gradients": [p.grad.clone() for p in model.parameters()],
            "moments": [s.clone() for state in optimizer.state.values() for s in state.values()],
            "random": [torch.get_rng_state()],
        }

    before, modes = everything(), [m.training for m in model.modules()]
    settings = [{k: v for k, v in g.items() if k != "params"} for g in optimizer.param_groups]
    bitnet.diagnose(model, texts[1], optimizer, positions=500)
    for name, tensors in everything().items():
        assert all(map(torch.equal, tensors, before[name])), name
    assert [m.training for m in model.modules()] == modes
    assert [
        {k: v for k, v in g.items() if k != "params"} for g in optimizer.param_groups
    ] == settings


def test_a_text_is_read_by_its_tokenizer_and_words_are_kept():
    vocabulary = made_up_vocabulary(SIZE)
    text = "the cat sat on the mat. " * 400
    ids = vocabulary.encode([text])[0]
    model = PlainGPT()
    by_text = bitnet.diagnose(model, text, tokenizer=vocabulary, positions=64)
    assert by_text.measures == bitnet.diagnose(model, ids, positions=64).measures
    assert by_text.words.decode(ids[:5]) == vocabulary.decode(ids[:5])


def diverged():
    model = PlainGPT()
    with torch.no_grad():
        model.head.weight[5] = torch.nan
    return model


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"model": torch.nn.Linear(2, 2)}, "^model = 'Linear': cannot be run on ids"),
        ({"model": diverged()}, "^model = 'PlainGPT': returns logits that are not finite"),
        ({"text": [1] * 4095}, "^tokens of the text = 4095: must be a whole number of at least"),
        ({"text": "words"}, "^tokenizer = None: is needed"),
        ({"text": [SIZE] * 5000}, f"has embeddings of {SIZE} tokens, and the text has id {SIZE}"),
        ({"tokenizer": made_up_vocabulary(SIZE + 1)}, f"^tokenizer = '{SIZE + 1} tokens': must"),
        ({"optimizer": AdamW(PlainGPT().parameters())}, "^optimizer = 'AdamW': holds none of"),
        ({"positions": 0}, "^positions = 0: must be"),
    ],
)
def test_what_is_wrong_is_refused_in_one_line(given, match, unseen):
    good = {"model": PlainGPT(), "text": unseen}
    with pytest.raises(ParameterError, match=match) as found:
        bitnet.diagnose(**good | given)
    assert "\n" not in str(found.value)


def test_transformers_is_imported_by_the_callback_alone():
    code = (
        "import sys, bitnet; assert 'transformers' not in sys.modules; bitnet.Watch; "
        "assert 'transformers' not in sys.modules; sys.modules['transformers'] = None\n"
        "try: bitnet.DiversityCallback\n"
        "except bitnet.ParameterError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert remedy("export") in done.stdout
    with pytest.raises(AttributeError, match="has no attribute 'Diverse'"):
        _ = bitnet.Diverse
