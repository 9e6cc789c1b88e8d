"""Tables of numbers for a notebook."""

import math
import re
from html import unescape

import pandas as pd

from bitnet.display.styled import markdown, styled


def test_numbers_in_a_table_are_as_people_write_them():
    frame = pd.DataFrame(
        {
            "arm": ["l2-0.0", "<b>"],
            "step": [20_000, 1000],
            "unique tokens (of 4123)": [73.0, math.nan],
            "held-out loss": [6.8, math.nan],
            "gain": [-0.0, 0.00012],
            "passed": [True, None],
        }
    )
    html = styled(frame).to_html()
    cells = [unescape(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", html)]
    assert cells == [
        "l2-0.0", "20\u202f000", "73", "6.80", "0", "yes",
        "<b>", "1\u202f000", "–", "–", "0.00012", "–",
    ]  # fmt: skip
    assert "<b>" not in html
    assert "nan" not in html.lower()


def test_a_table_of_measures_has_their_decimals_by_row():
    frame = pd.DataFrame({"l2-0.0": [73.0, 6.5]}, index=["unique tokens", "held-out loss"])
    assert re.findall(r"<td[^>]*>(.*?)</td>", styled(frame).to_html()) == ["73", "6.50"]


def test_what_is_missing_may_have_a_word_of_its_own():
    html = styled(pd.DataFrame({"step": [8, None]}), "not in this run").to_html()
    assert re.findall(r"<td[^>]*>(.*?)</td>", html) == ["8", "not in this run"]


def test_labels_are_texts_too():
    nasty = "<img src=x onerror=alert(1)>"
    html = styled(pd.DataFrame({nasty: [nasty]}, index=[nasty])).to_html()
    assert nasty not in html
    assert html.count("&lt;img") == 3


def test_markdown_holds_no_html():
    said = markdown("### works\n\n**l2-0.0, <img src=x onerror=alert(1)>.txt** & more")
    assert said.data == (
        "### works\n\n**l2-0.0, &lt;img src=x onerror=alert(1)&gt;.txt** &amp; more"
    )
