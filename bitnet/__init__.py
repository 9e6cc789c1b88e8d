"""How small BitNet b1.58 language models collapse in training, what cures it, and how to prove it.

The names below are the library; figures are in `bitnet.plots`, the report in `bitnet.report`.
"""

from bitnet.arms import ARMS, BROKEN, FIX, Recipe
from bitnet.checks import ParameterError
from bitnet.config import BitNetConfig, RunConfig
from bitnet.data import Corpus, load_corpus
from bitnet.diversity import Probe, state
from bitnet.findings import preflight
from bitnet.history import History, HistoryError
from bitnet.linear import BitLinear
from bitnet.observe import measure
from bitnet.plan import PLAN_STEPS, Plan, execute
from bitnet.quant import activation_quant, weight_quant
from bitnet.run import load_model
from bitnet.train import Record, Trainer
from bitnet.transformer import BitNetModel
from bitnet.verdict import Verdict, checklist, final_counts, judge

__all__ = [
    "ARMS", "BROKEN", "FIX", "PLAN_STEPS", "BitLinear", "BitNetConfig", "BitNetModel", "Corpus", "History", "HistoryError",
    "ParameterError", "Plan", "Probe", "Recipe", "Record", "RunConfig", "Trainer", "Verdict", "activation_quant",
    "checklist", "execute", "final_counts", "judge", "load_corpus", "load_model", "measure", "preflight", "state",
    "weight_quant",
]  # fmt: skip
