"""When two runs are the same."""

import pandas as pd
import torch

from bitnet.runs.weights import load_model


def same(a, b):
    """Equal tables, and equal weights to the last bit."""
    pd.testing.assert_frame_equal(a.measures, b.measures, check_exact=True)
    assert (a.folder / "trace.csv").read_bytes() == (b.folder / "trace.csv").read_bytes()
    pairs = zip(load_model(a).parameters(), load_model(b).parameters(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)
