"""Parameters that papermill injects: known ones pass, a misspelt one is named."""

import pytest

from bitnet import ParameterError
from bitnet.display.injected import refuse_unknown

OWN = 'hidden: int = 0  # width\narms: str = "l2-0.0"\nseeds = "0"'


@pytest.mark.parametrize(
    "cells",
    [
        [],
        [OWN],
        [OWN, "import bitnet"],
        [OWN, "# Parameters\nhidden = 512\nseeds = '0,1'"],
        [OWN, "import bitnet", "# Parameters of my own\nmine = 3"],
    ],
)
def test_known_parameters_and_notebooks_without_any_pass(cells):
    refuse_unknown(["", *cells])


def test_a_misspelt_parameter_is_refused_with_the_nearest_name():
    with pytest.raises(ParameterError) as error:
        refuse_unknown(["", OWN, "# Parameters\nhiden = 512\n", "import bitnet"])
    assert str(error.value) == (
        "hiden = 512: no such parameter here; did you mean 'hidden'? There are hidden, arms, seeds"
    )


def test_one_that_resembles_none_is_refused_too():
    with pytest.raises(ParameterError, match=r"^zzz = 'x': no such parameter here\. There are"):
        refuse_unknown([OWN, "# Parameters\nzzz = 'x'"])


def test_outside_of_a_kernel_nothing_was_injected():
    refuse_unknown()
