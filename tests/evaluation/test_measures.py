"""The table of measures: complete, and of one piece with files, references and documents."""

import csv
import string
from pathlib import Path

import pytest

from bitnet import MEASURES, Probe
from bitnet.evaluation.measures import reference_value
from bitnet.runs.rows import MEASURE_COLUMNS

ROOT = Path(__file__).parents[2]


def test_its_names_are_the_columns_of_the_committed_runs(committed):
    for history in committed:
        with (history.folder / "measures.csv").open() as file:
            columns = next(csv.reader(file))
        assert columns == list(MEASURE_COLUMNS) == ["step", "loss", "lr", "wd", *MEASURES]


def test_it_is_kept_by_name():
    assert all(measure.name == name for name, measure in MEASURES.items())


def test_every_reference_is_one_of_the_probes(corpus):
    references = Probe.from_corpus(corpus, positions=300).references
    for measure in MEASURES.values():
        assert measure.levels.keys() <= references.keys(), measure.name
        assert bool(measure.reference) == bool(measure.beside), measure.name


def test_every_reference_is_in_the_committed_runs(committed):
    for history in committed:
        for name, measure in MEASURES.items():
            expected = history.references[measure.reference] if measure.reference else None
            assert reference_value(name, history.references) == expected


def test_a_reference_that_a_run_lacks_is_none():
    assert reference_value("val_loss", {}) is None
    assert reference_value("val_loss", {"unigram_loss": 7.7}) == 7.7
    assert reference_value("context_information", {"unigram_loss": 7.7}) is None


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_directions_units_and_decimals_are_valid(measure):
    assert measure.better in ("higher", "lower", "")
    assert measure.unit in ("tokens", "share", "nats")
    assert measure.decimals in (0, 1, 2)
    assert (measure.decimals == 0) == (measure.name in ("unique_predictions", "unique_tokens"))
    assert set(measure.name) <= {*string.ascii_lowercase, *string.digits, "_"}
    assert all((measure.label, measure.column, measure.meaning))


def test_labels_and_columns_tell_measures_apart():
    for which in ("label", "column", "meaning"):
        assert len({getattr(measure, which) for measure in MEASURES.values()}) == len(MEASURES)


def test_only_the_count_that_a_dead_network_wins_has_no_direction():
    assert [name for name, measure in MEASURES.items() if not measure.better] == [
        "unique_predictions"
    ]
