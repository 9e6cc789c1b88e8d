"""What is installed by its name, and what an extra is there for."""

import tomllib
from pathlib import Path

from bitnet.extras import DISTRIBUTION, remedy

PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]


def test_the_remedy_names_the_distribution_and_the_extra():
    assert PROJECT["name"] == DISTRIBUTION
    assert remedy("ray") == "install it with: pip install 'bitnet-collapse[ray]'"
