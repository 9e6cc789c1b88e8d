"""A text that models are trained on, and one of the same kind that they are diagnosed on."""

import pytest

from benchmarks.models import token_text


@pytest.fixture(scope="session")
def texts():
    ids = token_text()
    return ids[:30_000], ids[30_000:]


@pytest.fixture(scope="session")
def unseen(texts):
    return texts[1]
