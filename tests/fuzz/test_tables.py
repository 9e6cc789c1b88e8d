"""The committed tables of runs and of passages, damaged: read right, used, or refused."""

import json

import pandas as pd
import pytest

from bitnet import judge
from bitnet.analysis.cure import passages_of
from bitnet.analysis.dose import cells
from bitnet.evaluation.passages import GREEDY, HUMAN, MEASURED, NUCLEUS
from bitnet.runs.history import seal
from bitnet.runs.table import read_table, write_table
from tests.support.mutations import MEANING, as_json, changed, fuzz, mutated, sha256

NAMES = ("runs.csv", "evaluations.csv", "facts.json")


@pytest.fixture
def table(tiny_runs, tmp_path):
    """The folder of a table of two runs, and the bytes of its files by name."""
    folder = tmp_path / "table"
    write_table([tiny_runs["l2-0.05", 0], tiny_runs["l2-0.0", 1]], folder)
    yield folder, {name: (folder / name).read_bytes() for name in NAMES}
    assert sorted(path.name for path in folder.iterdir()) == sorted(NAMES)


def put(table, name, content, facts=None):
    folder, found = table
    for other, whole in found.items():
        (folder / other).write_bytes(content if other == name else whole)
    if facts is not None:
        (folder / "facts.json").write_bytes(as_json(facts))


def test_a_damaged_table_is_read_right_or_refused(table):
    whole = read_table(table[0])

    def case(draw):
        name = draw.choice(NAMES)
        kind, content = mutated(table[1][name], table[1][draw.choice(NAMES)], draw)
        put(table, name, content)

        def act():
            found = read_table(table[0])
            assert [h.config for h in found] == [h.config for h in whole]
            for new, old in zip(found, whole, strict=True):
                assert new.manifest == old.manifest
                assert new.references == old.references
                pd.testing.assert_frame_equal(new.measures, old.measures, check_exact=True)
                pd.testing.assert_frame_equal(new.health, old.health, check_exact=True)
            return "read"

        return f"{name}, {kind}", act

    assert fuzz("a table of runs", case)["refused"] > 1 / 2


def test_a_changed_table_that_is_resealed_is_used_or_refused(table):
    whole = json.loads(table[1]["facts.json"])

    def case(draw):
        name = draw.choice(NAMES)
        if name == "facts.json":
            facts = changed(whole, draw)
            if isinstance(facts, dict) and isinstance(facts.get("sha256"), dict):
                facts = facts | {"sha256": facts["sha256"] | {name: seal(facts)}}
            kind, content = "value", as_json(facts)
            put(table, name, content)
        else:
            kinds = dict.fromkeys(["cell"], MEANING["cell"]) if draw.random() < 0.6 else MEANING
            kind, content = mutated(table[1][name], table[1]["runs.csv"], draw, kinds)
            put(table, name, content, whole | {"sha256": whole["sha256"] | {name: sha256(content)}})

        def act():
            found = read_table(table[0])
            assert len({h.manifest["identity"] for h in found}) == len(found)
            for history in found:
                assert str(history.manifest["identity"]).startswith(f"{history.config.name}-")
                assert history.manifest["corpus"] in whole["corpus"] or name == "facts.json"
                steps = history.measures.step.tolist()
                assert steps == sorted(set(steps))
                assert all(0 < step <= history.config.steps for step in steps)
                assert (
                    history.measures.dtypes.map(lambda kind: kind.kind in "if").all() or not steps
                )
                assert len(history.states) == len(steps)
            judge(found)
            cells(found, lambda history: "dead")
            return "used"

        return f"{name}, {kind}", act

    assert set(fuzz("a table of runs, resealed", case)) == {"used", "refused"}


def test_a_changed_table_of_passages_is_one_of_shares_or_refused(tmp_path):
    path = tmp_path / "passages.csv"
    rows = [
        f"recommended-h128-v4096-t2000-s{seed}-4aadda3a19,{text},{measure},0.5,0.25,0.75\n"
        for seed in (0, 1)
        for text in (GREEDY, NUCLEUS, HUMAN)
        for measure in MEASURED
    ]
    whole = "".join(["run,text,measure,value,low,high\n", *rows]).encode()

    def case(draw):
        kinds = dict.fromkeys(["cell"], MEANING["cell"]) if draw.random() < 0.6 else MEANING
        kind, content = mutated(whole, whole[:90], draw, kinds)
        path.write_bytes(content)

        def act():
            found = passages_of(tmp_path)
            assert found[["value", "low", "high"]].astype(float).stack().between(0, 1).all()
            assert set(found.text) <= {GREEDY, NUCLEUS, HUMAN}
            assert set(found.measure) <= set(MEASURED)
            assert not found.duplicated(["run", "text", "measure"]).any()
            return "used"

        return kind, act

    assert set(fuzz("a table of passages", case)) == {"used", "refused"}
