"""How small BitNet b1.58 language models collapse in training, what cures it, how to prove it.

The names below are the library: a plan and its execution, the verdict, the model and its parts.
`DiversityCallback` is one too, which needs transformers and is imported when it is named. Figures
are in `bitnet.display`; `docs/` in the checkout says where everything else is.
"""

import sys
from typing import Any

try:
    from bitnet.analysis.counts import checklist, final_counts
    from bitnet.analysis.preflight import preflight
    from bitnet.analysis.verdict import Verdict, judge
    from bitnet.arms import ARMS, BROKEN, FIX
    from bitnet.checks import ParameterError
    from bitnet.config import BitNetConfig, RunConfig
    from bitnet.data import Corpus, load_corpus
    from bitnet.diagnosis.diagnose import Diagnosis, diagnose
    from bitnet.diagnosis.watch import Watch
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
    "Corpus", "Diagnosis", "History", "HistoryError", "ParameterError", "Plan", "Probe", "Recipe",
    "Record", "RunConfig", "Trainer", "Verdict", "Watch", "activation_quant", "checklist",
    "diagnose", "execute", "export", "final_counts", "judge", "load", "load_corpus", "load_model",
    "load_models", "measure", "preflight", "state", "weight_quant",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """`DiversityCallback`, whose base is the extra `export`; else no name is missing."""
    if name == "DiversityCallback":
        from bitnet.diagnosis.callback import DiversityCallback

        return DiversityCallback
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
