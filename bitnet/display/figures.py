"""Every figure of what models predict, under one name for notebooks and reports.

The code is in the modules below by what a figure shows; `weight_figures` has those of weights.
"""

from bitnet.display.curves import (
    diversity_figure,
    entropy_figure,
    loss_figure,
    measure_figure,
    prompt_probe_figure,
    spread_figure,
)
from bitnet.display.phases import phase_figure
from bitnet.display.published import published
from bitnet.display.sizes import size_figure
from bitnet.display.theme import set_renderer
from bitnet.display.verify import hero_figure, verify_figure
from bitnet.display.winners import rarefaction_figure, state_examples, top_tokens_figure

__all__ = [
    "diversity_figure", "entropy_figure", "hero_figure", "loss_figure", "measure_figure",
    "phase_figure", "prompt_probe_figure", "published", "rarefaction_figure", "set_renderer",
    "size_figure", "spread_figure", "state_examples", "top_tokens_figure",
    "verify_figure",
]  # fmt: skip
