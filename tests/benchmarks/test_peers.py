"""The peers: the trainer's weights, tokens and recipe in other packages, and what they decode."""

import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import decoding
from benchmarks.comparison import SIZES, result_of
from benchmarks.gpt import GPT
from benchmarks.peers import LEFT_OUT, OURS, PACKAGES, PEERS, llama, of_transformers
from benchmarks.peers_page import NO_GPU, NOTHING, page, publish
from benchmarks.speed import Size
from benchmarks.turns import Turns
from bitnet.train import initial_model

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "performance.md"
CPU = torch.device("cpu")
SMALL = Size(32, 4, steps=16)
TERNARY = ("transformers", "transformers, fused Adam", "torchao", "bitlinear")


@pytest.fixture(autouse=True)
def eager():
    """Nothing is compiled, which takes a compiler and a minute."""
    with torch.compiler.set_stance("force_eager"):
        yield


def losses(row, corpus, updates=8):
    step = PEERS[row](SMALL, corpus, CPU)
    return [float(step(t)) for t in range(1, updates + 1)]


@pytest.mark.parametrize("row", TERNARY)
def test_a_ternary_peer_begins_at_the_trainers_weights_and_trains(corpus, row):
    package = row.partition(",")[0]
    if not importlib.util.find_spec(package):
        pytest.skip(f"{package} is not installed (make bench-peers has it)")
    ours, found = losses(OURS, corpus), losses(row, corpus)
    # Not the same: q, k and v have a scale each. 1 % is far below what another model has.
    assert found == pytest.approx(ours, rel=0.01)
    assert found[-1] < found[0]


def test_the_linears_of_transformers_quantize_as_they_train(corpus):
    model = llama(of_transformers, SMALL, corpus)
    linears = [m for m in model.modules() if type(m).__name__ == "AutoBitLinear"]
    assert len(linears) == 4 * 7
    assert all(linear.online_quant and linear.rms_norm is not None for linear in linears)
    weights = initial_model(SMALL.run("fp-l2-0.0"), corpus.vocab_size).state_dict()
    first = weights["blocks.0.attention.qkv_proj.weight"]
    q = model.model.layers[0].self_attn.q_proj.weight
    assert torch.equal(q, first[:32])


def test_a_gpt_trains_and_sees_only_what_came_before(corpus):
    found = losses("GPT, full precision", corpus)
    assert found[-1] < found[0]
    assert losses("GPT, compiled", corpus) == pytest.approx(found)  # here eager: the same model
    torch.manual_seed(0)
    model, ids = GPT(97, 32, 16), torch.arange(16)[None]
    changed = ids.clone()
    changed[0, 10] = 96
    with torch.no_grad():
        before, after = model(ids), model(changed)
    assert torch.allclose(before[:, :10], after[:, :10], atol=1e-5)
    assert not torch.allclose(before[:, 10:], after[:, 10:], atol=1e-3)


def test_a_package_that_is_missing_takes_its_own_row_away(corpus, monkeypatch):
    monkeypatch.setitem(sys.modules, "onebitllms", None)
    with pytest.raises(ImportError, match="onebitllms"):
        PEERS["onebitllms"](SMALL, corpus, CPU)


def test_every_row_of_decoding_continues_the_prompts_of_one_model(tmp_path, monkeypatch, corpus):
    monkeypatch.setattr(decoding, "load_corpus", lambda vocabulary: corpus)
    size = Size(32, 4, corpus.vocab_size)
    decoding.prepare(tmp_path, size, 3, CPU)
    rows = decoding.builds(tmp_path, 2)
    assert tuple(rows) == decoding.ROWS
    texts = {row: build(CPU)(1).tolist() for row, build in rows.items()}
    assert {len(text) for text in texts.values()} == {2}
    assert {len(row) for text in texts.values() for row in text} == {decoding.NEW}
    assert texts["bitnet, no cache"] == texts["bitnet"]
    # Roundings to another of 8 bits' levels may part the texts later, hardly at the first token.
    for row in ("transformers", "transformers, no cache"):
        assert [text[0] for text in texts[row]] == [text[0] for text in texts["bitnet"]]


def test_where_texts_part_is_told():
    texts = {"bitnet": [[1, 2, 3], [4, 5, 6]], "transformers": [[1, 2, 3], [4, 5, 7]],
             "transformers, no cache": [[1, 0, 3], [9, 5, 6]]}  # fmt: skip
    assert decoding.agreement(texts) == {
        "bitnet": {"equal": 2, "parts_at": None},
        "transformers": {"equal": 1, "parts_at": 3},
        "transformers, no cache": {"equal": 0, "parts_at": 1},
    }


def measured(kind="cpu"):
    """What a file would hold, of made-up times."""
    turns = Turns(
        seconds={OURS: [0.02, 0.01, 0.03], "transformers": [0.05, 0.04, 0.06]},
        first_seconds={OURS: 0.1, "transformers": 30.0},
        peak_bytes={OURS: 2**28, "transformers": 2**29},
        began={OURS: 8.5, "transformers": 8.5}, ended={OURS: 8.0, "transformers": 8.1},
        absent={"torchao": "ImportError: <b>no</b> | torchao"},
    )  # fmt: skip
    decoded = Turns(
        seconds={"bitnet": [0.1] * 3, "transformers": [0.4] * 3},
        first_seconds={"bitnet": 0.1, "transformers": 9.0},
        peak_bytes={"bitnet": 2**28, "transformers": 2**29},
        ended={"bitnet": [[1, 2], [3, 4]], "transformers": [[1, 2], [3, 5]]},
    )  # fmt: skip
    return {
        "device": {"kind": kind, "name": "a machine", "threads": 2},
        "torch": "2.13.0", "python": "3.11", "packages": {"transformers": "5.24.0"},
        "training": [result_of(SIZES[0], turns)],
        "decoding": [decoding.result_of(SIZES[0], 2, decoded)],
    }  # fmt: skip


def test_the_tables_are_made_of_the_files(tmp_path):
    assert page(tmp_path) == NOTHING
    (tmp_path / "bench-peers-a.json").write_text(json.dumps(measured()))
    (tmp_path / "bench-2-core.json").write_text("{}")  # of the other benchmark
    text = page(tmp_path)
    for line in (
        "| 64 | this trainer | 20.0 | 1.00 | 0.1 | 256 | 8.500, 8.000 |",
        "| 64 | transformers | 50.0 | 2.50 | 30.0 | 512 | 8.500, 8.100 |",
        "| 64 | torchao | not run: ImportError: &lt;b&gt;no&lt;/b&gt; \\| torchao |  |  |  |  |",
        "| 64 | 2 | bitnet | 480 | 1.00 | 2 of 2 |",
        "| 64 | 2 | transformers | 120 | 0.25 | 1 of 2, parts at token 2 |",
    ):
        assert line in text.splitlines()
    for name in LEFT_OUT:
        assert name in text
    assert text.endswith(NO_GPU)
    (tmp_path / "bench-peers-b.json").write_text(json.dumps(measured("cuda")))
    assert NO_GPU not in page(tmp_path)


def test_the_page_has_the_tables_of_the_committed_files(tmp_path):
    copy = tmp_path / "performance.md"
    copy.write_text(PAGE.read_text())
    assert not publish(copy), "run python -m benchmarks.comparison --publish"
    copy.write_text(re.sub(r"(--publish -->\n).*?(\n<!-- end)", r"\1old\2", copy.read_text(),
                           flags=re.DOTALL))  # fmt: skip
    assert publish(copy)
    assert copy.read_text() == PAGE.read_text()


def test_the_committed_ratios_are_those_of_the_committed_seconds():
    for path in (ROOT / "results").glob("bench-peers-*"):
        for block in json.loads(path.read_text())["training"]:
            for row, rounds in block["raw_seconds"].items():
                assert block["seconds"][row] == sorted(rounds)[len(rounds) // 2]
                ratio = block["seconds"][row] / block["seconds"][OURS]
                assert block["times_ours"][row] == pytest.approx(ratio)
                assert block["losses"][row][1] < block["losses"][row][0]


def test_the_page_says_of_every_peer_what_differs():
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \|$", PAGE.read_text(), re.MULTILINE)
    assert set(PEERS) - {OURS, "plain reference"} <= set(rows)


def test_the_packages_of_the_peers_are_in_an_extra_of_their_own():
    text = (ROOT / "pyproject.toml").read_text()
    extra = re.search(r"^peers = \[\n(.*?)^\]", text, re.MULTILINE | re.DOTALL)[1]
    elsewhere = text.replace(extra, "")
    for package in set(PACKAGES) - {"transformers"}:
        assert f'"{package}>' in extra
        assert package not in elsewhere
