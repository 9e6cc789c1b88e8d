"""The published benchmark: the README quotes the file, and the file is of the table that `make bench` prints."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PUBLISHED = json.loads((ROOT / "results" / "bench-2-core-epyc-avx512.json").read_text())


@pytest.mark.parametrize("size", PUBLISHED["sizes"], ids=lambda size: f"{size['hidden']}, {size['batch_size']}x32")
def test_the_readme_quotes_the_published_table(size):
    ms = {row: 1000 * seconds for row, seconds in size["seconds"].items()}
    faster, share = ms["reference"] / ms["trainer"], ms["roof"] / ms["trainer"]
    line = (
        f"| {size['hidden']}, {size['batch_size']}x32 | {ms['reference']:.1f} ms | {ms['trainer']:.1f} ms | {faster:.1f} "
        f"| {ms['full precision']:.1f} ms | {ms['roof']:.1f} ms | {100 * share:.0f} % |"
    )
    assert line in (ROOT / "README.md").read_text().splitlines()


def test_the_published_seconds_are_medians_of_what_was_measured():
    for size in PUBLISHED["sizes"]:
        for row, rounds in size["raw_seconds"].items():
            assert size["seconds"][row] == sorted(rounds)[len(rounds) // 2]
