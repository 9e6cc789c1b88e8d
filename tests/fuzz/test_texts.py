"""Texts, token caches and grids, damaged: read right, refused in one line or rebuilt."""

import json
import re
from itertools import product

import numpy as np
import pytest
import yaml

from bitnet import SCALES, data, load_corpus
from bitnet.arms import arm_names
from bitnet.runs.grid import SIZES, Grid
from bitnet.tokenizer import gpt2
from tests.support.mutations import MAGIC, as_json, changed, fuzz, mutated, one_line
from tests.support.text import write_lines, write_text

GRID = {
    "grids": [
        {"hidden": [16, 32], "steps": 8, "arms": ["l2-0.0", {"base": "l2-0.0", "clip_norm": 2}],
         "seeds": [0, 1], "vocabulary": 300, "batch_size": 2, "sequence_length": 16,
         "order": [0, 3]},
        {"scale": "miniature", "arms": "adamw-0.0", "corpus": "sotu"},
    ],
    "notebook": "",
}  # fmt: skip


def test_a_damaged_text_is_trained_on_as_it_stands_or_refused(tmp_path):
    path = write_text(tmp_path / "text.txt")
    whole = path.read_bytes()

    def case(draw):
        kind, content = mutated(whole, draw.choice([whole[:45_000], *MAGIC]), draw)
        path.write_bytes(content)
        for old in (tmp_path / "cache").glob("tokens-*"):
            old.unlink()

        def act():
            corpus = load_corpus(str(path), cache_dir=tmp_path / "cache", log=lambda line: None)
            again = load_corpus(str(path), cache_dir=tmp_path / "cache", log=lambda line: None)
            assert again.fingerprint == corpus.fingerprint
            (tokens,) = (tmp_path / "cache").glob("tokens-*.npy")
            text = re.sub("\r\n?", "\n", content.decode("utf-8-sig"))
            assert gpt2().decode(np.load(tokens).tolist()) == text
            return "read"

        return kind, act

    assert set(fuzz("a text", case)) == {"read", "refused"}
    assert {path.name for path in tmp_path.iterdir()} == {"cache", "text.txt"}


def _header(content, draw):
    """The head of a numpy file says another type, shape or order of the same bytes."""
    said, meant = draw.choice([
        (b"<u2", draw.choice([b"<i2", b">u2", b"|u1", b"<u4", b"|O4", b"<f2", b"<U9"])),
        (b"False", b"True "), (b"(", b"[("), (b",), }", b",1),}"), (b"'descr'", b"'descz'"),
        (b"(1", b"(9"), (b"(", b"-("), (b"}", b"{"),
    ])  # fmt: skip
    return content.replace(said, meant, 1)


def test_a_damaged_token_cache_is_read_right_or_rebuilt(tmp_path, monkeypatch):
    path, cache = write_lines(tmp_path / "text.txt"), tmp_path / "cache"

    def load(log):
        return load_corpus(str(path), 300, cache, log)

    known = data._tokenised([path.read_text()], 300)
    monkeypatch.setattr(data, "_tokenised", lambda *_: known)  # what is rebuilt is soon there
    whole = load(lambda line: None)
    found = {path: path.read_bytes() for path in cache.glob("tokens-*.[nj]*")}
    assert len(found) == 2

    def case(draw):
        for name, content in found.items():
            name.write_bytes(content)
        name = draw.choice(sorted(found))
        if draw.random() < 0.6:
            kind, content = mutated(found[name], found[draw.choice(sorted(found))], draw)
        elif name.suffix == ".json":
            kind, content = "value", as_json(changed(json.loads(found[name]), draw))
        else:
            kind, content = "header", _header(found[name], draw)
        name.write_bytes(content)

        def act():
            lines = []
            corpus = load(lines.append)
            assert corpus.fingerprint == whole.fingerprint
            assert np.array_equal(corpus.train_ids, whole.train_ids)
            assert np.array_equal(corpus.held_out_ids, whole.held_out_ids)
            assert all(map(one_line, lines))
            return "rebuilt" if lines else "read"

        return f"{name.name}, {kind}", act

    assert fuzz("a token cache", case)["rebuilt"] > 1 / 2


def meant(values):
    """What each run of a grid is, worked out from the values of the file alone."""

    def several(value):
        return value if isinstance(value, list) else [value]

    def whole(value):
        return value if isinstance(value, int) else int(float(value))

    found = []
    for grid in values["grids"]:
        scale, seeds = SCALES[grid.get("scale", "full")], grid.get("seeds", 0)
        sizes = [map(whole, several(grid.get(key, getattr(scale, key)))) for key in SIZES]
        found += product(
            arm_names("arms", grid["arms"]),
            *sizes,
            map(whole, several(seeds.split(",") if isinstance(seeds, str) else seeds)),
            map(whole, several(grid.get("order", 0))),
            several(grid.get("corpus", "wikipedia-sample")),
        )
    return set(found)


@pytest.mark.parametrize("of_meaning", [False, True])
def test_a_damaged_grid_is_another_grid_or_refused(tmp_path, of_meaning):
    path, whole = tmp_path / "grid.yaml", yaml.safe_dump(GRID).encode()

    def case(draw):
        if of_meaning:
            kind = content = json.dumps(changed(GRID, draw)).encode()
        else:
            kind, content = mutated(whole, draw.choice([whole[9:], *MAGIC]), draw)
        path.write_bytes(content)

        def act():
            runs = Grid.load(path).runs
            found = [
                (run.arm, *(getattr(run, key) for key in SIZES), run.seed, run.order, run.corpus)
                for run in runs
            ]
            assert len(set(found)) == len(found)
            assert set(found) == meant(yaml.safe_load(content))
            return "read"

        return str(kind)[:300], act

    assert set(fuzz("a grid's values" if of_meaning else "a grid", case)) == {"read", "refused"}
    assert [path.name for path in tmp_path.iterdir()] == ["grid.yaml"]
