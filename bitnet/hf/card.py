"""The model card of an export: what the model is, how it fared, how far the export agrees."""

import json
from pathlib import Path

import pandas as pd

from bitnet.analysis.assessment import assess
from bitnet.analysis.baselines import read_against
from bitnet.analysis.markdown import listed, tabulated, wrapped
from bitnet.evaluation.measures import MEASURES
from bitnet.hf.agreement import BEYOND, Agreement
from bitnet.hf.layout import needs_wrapper
from bitnet.runs.trained import TrainedRun

__all__ = ["model_card"]

_PASSED = {True: "yes", False: "**no**", None: "open"}


def model_card(trained: TrainedRun, agreement: Agreement, version: str) -> str:
    """The Markdown of an export's `README.md`; `version` is that of transformers."""
    config = trained.history.config
    parts = [
        "---\nlibrary_name: transformers\npipeline_tag: text-generation\ntags: [bitnet]\n---",
        f"# {config.label()}", _about(trained),
        "## Use", *_use(trained),
        "## Agreement", *_agreement(agreement, version),
        "## Measures", _state(trained), _measures(trained),
        "## Checks", *_checks(trained),
        "## Recipe", f"```json\n{json.dumps(config.recipe.to_dict(), indent=1)}\n```",
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _about(trained: TrainedRun) -> str:
    config, model = trained.history.config, trained.model.config
    size = sum(p.numel() for p in trained.model.parameters())
    kind = "ternary weights" if model.quantize else "full-precision weights"
    return wrapped(
        f"A language model of {size:,} parameters with {kind}, trained by the arm `{config.arm}` "
        f"on {Path(config.corpus).name}: {config.steps} updates of {config.batch_size} windows of "
        f"{config.sequence_length} tokens. It comes from a study of why small BitNet b1.58 models "
        "collapse in training, and is a specimen of that study; its text is poor."
    )


def _use(trained: TrainedRun) -> list[str]:
    own = needs_wrapper(trained.model.config)
    trust = ", trust_remote_code=True" if own else ""
    code = [
        "from transformers import AutoModelForCausalLM, AutoTokenizer",
        f'model = AutoModelForCausalLM.from_pretrained("FOLDER"{trust})',
        f'tokenizer = AutoTokenizer.from_pretrained("FOLDER"{trust})',
        'ids = tokenizer("The history of", return_tensors="pt").input_ids',
        "print(tokenizer.decode(model.generate(ids, max_new_tokens=64, do_sample=False)[0]))",
    ]
    limits = (
        "**For inference only.** "
        f"It was trained on windows of {trained.history.config.sequence_length} tokens, and knows "
        "no special token: none ends a text. "
    )
    if trained.model.config.quantize:
        limits += (
            "The weights that training moves are not in it, only their ternary values and scales. "
            "It needs the package accelerate, and transformers compiles its quantizers at the "
            "first use, with a C++ compiler: `TORCHDYNAMO_DISABLE=1` in the environment does "
            "without."
        )
    elif own:
        limits += "transformers has no such class; the Python file beside this one is it."
    return ["```python\n" + "\n".join(code) + "\n```", wrapped(limits)]


def _agreement(found: Agreement, version: str) -> list[str]:
    rows = [
        {
            "compared": name,
            "median": f"{difference.median:.1e}",
            f"beyond {BEYOND:g}": f"{difference.beyond:.1%}",
        }
        for name, difference in (
            ("the original against this export", found.exported),
            ("the original against itself, embeddings moved by one bit", found.own),
        )
    ]
    what = (
        f"Largest difference of the logits at each of {found.positions} positions of random "
        f"tokens, with transformers {version}: its median, and the share of positions beyond "
        f"{BEYOND:g}. The second line is the yardstick: where a sum differs in its last bit, an "
        "activation may be rounded to another of its 8-bit levels."
    )
    return [wrapped(what), tabulated(pd.DataFrame(rows))]


def _state(trained: TrainedRun) -> str:
    history = trained.history
    state, loss = history.states.iloc[-1], MEASURES["val_loss"].text(history.rows()[-1]["loss"])
    at = f"At step {history.config.steps}, where the loss of the batch was {loss} nats"
    return f"State: **{state}**. {at}; on held-out text:"


def _measures(trained: TrainedRun) -> str:
    last, against = trained.history.rows()[-1], read_against(trained.history)
    rows = [
        {
            "measure": measure.label,
            "value": measure.text(last[name]),
            "read it against": ", ".join(
                f"{measure.text(against[key])} ({whose})"
                for key, whose in measure.levels.items()
                if key in against
            ),
        }
        for name, measure in MEASURES.items()
    ]
    return tabulated(pd.DataFrame(rows))


def _checks(trained: TrainedRun) -> list[str]:
    found = assess(trained.history)
    items = [f"- {_PASSED[check.passed]}: {check.name} ({check.reason})" for check in found.checks]
    return [f"This run, by bars that were fixed before any: **{found.outcome}**.", listed(items)]
