"""What the page on safety says of the number of cases."""

from pathlib import Path

from tests.support.mutations import CASES

PAGE = Path(__file__).parents[2] / "docs" / "safety.md"


def test_the_page_has_the_number_of_cases_of_each_kind():
    assert sum(CASES.values()) >= 2000
    rows = {**CASES, "together": sum(CASES.values())}
    said = "".join(f"| {kind} | {cases} |\n" for kind, cases in rows.items())
    assert f"|---|---|\n{said}\n" in PAGE.read_text()
