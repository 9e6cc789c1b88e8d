"""How small BitNet b1.58 language models collapse in training, what cures it, how to prove it.

The names below are the library: a plan and its execution, the verdict, the model and its parts.
Figures are in `bitnet.display`; `docs/` in the checkout says where everything else is.
"""

import sys

try:
    from bitnet.analysis.counts import checklist, final_counts
    from bitnet.analysis.preflight import preflight
    from bitnet.analysis.verdict import Verdict, judge
    from bitnet.arms import ARMS, BROKEN, FIX
    from bitnet.checks import ParameterError
    from bitnet.config import BitNetConfig, RunConfig
    from bitnet.data import Corpus, load_corpus
    from bitnet.evaluation.diversity import Probe, state
    from bitnet.evaluation.evaluate import measure
    from bitnet.evaluation.measures import MEASURES
    from bitnet.hf.export import export
    from bitnet.linear import BitLinear
    from bitnet.quant import activation_quant, weight_quant
    from bitnet.recipes import Recipe
    from bitnet.records import Record
    from bitnet.runs.history import History, HistoryError
    from bitnet.runs.plan import Plan, execute
    from bitnet.runs.trained import load
    from bitnet.runs.weights import load_model, load_models
    from bitnet.scales import SCALES
    from bitnet.train import Trainer
    from bitnet.transformer import BitNetModel
except KeyboardInterrupt:  # these take seconds, and where they were stopped tells nobody anything
    sys.stderr.write("Stopped while importing bitnet.\n")
    sys.exit(130)

__all__ = [
    "ARMS", "BROKEN", "FIX", "MEASURES", "SCALES", "BitLinear", "BitNetConfig", "BitNetModel",
    "Corpus", "History", "HistoryError", "ParameterError", "Plan", "Probe", "Recipe", "Record",
    "RunConfig", "Trainer", "Verdict", "activation_quant", "checklist", "execute", "export",
    "final_counts", "judge", "load", "load_corpus", "load_model", "load_models", "measure",
    "preflight", "state", "weight_quant",
]  # fmt: skip
