"""What is in an HTML page: its data, its texts, and whatever it would fetch."""

import html
import json
import re

# What makes a browser load something; links that a reader may follow are not among it.
FETCHES = re.compile(
    r"""(?:\bsrc\s*=|<link[^>]+href\s*=|url\(|@import|\bfetch\(|XMLHttpRequest|\bimport\()"""
    r"""\s*['"]?([^'"\s>)]*)"""
)


def fetched(page):
    """The addresses that a page would load; data that it carries itself does not count."""
    return [address for address in FETCHES.findall(page) if not address.startswith("data:")]


def data_of(page):
    """The data of each player in a page."""
    found = re.findall(r'<script type="application/json" class="data">(.*?)</script>', page, re.S)
    return [json.loads(text) for text in found]


def text_of(page):
    """What is to be read in a page, without styles, scripts and tags, in one line."""
    bare = re.sub(r"<(style|script).*?</\1>", " ", page, flags=re.S)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", bare)).split())
