"""A text of the tests' own, for commands that load their corpus by its path."""

import pytest

from tests.support.text import write_text


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """The path of a text whose tokens are cached beside it."""
    folder = tmp_path_factory.mktemp("text")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BITNET_CACHE", str(folder / "cache"))
        yield write_text(folder / "text.txt")
