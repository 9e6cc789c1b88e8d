"""What the files of runs, tables and reports have to be, as JSON schemas, checked before use.

A checksum says that nothing has changed since it was made, not that it makes sense.
"""

from typing import Any

import fastjsonschema

from bitnet.config import LARGEST_VOCABULARY
from bitnet.evaluation.measures import MEASURES
from bitnet.evaluation.passages import GREEDY, HUMAN, MEASURED, NUCLEUS
from bitnet.evaluation.weights import HEALTH

__all__ = [
    "check_baselines", "check_environment", "check_facts", "check_manifest", "check_passages",
    "check_rows", "check_runs", "check_snapshot", "check_verdict",
]  # fmt: skip

_TEXT = {"type": "string", "maxLength": 4096}
_NAME = {"type": "string", "pattern": r"^[\w.+=-]{1,255}$"}
_SHA256 = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_NUMBER = {"type": "number", "minimum": -1e300, "maximum": 1e300}
_COUNT = {"type": "integer", "minimum": 0, "maximum": 2**53}
_TOKEN = {"type": "integer", "minimum": 0, "maximum": LARGEST_VOCABULARY}
_SHARE_OF_ONE = {"type": "number", "minimum": 0, "maximum": 1}
_STATUS = {"enum": ["running", "complete", "stopped", "failed", "diverged"]}
_ROWS = 10**5  # evaluations of a run: more than any plan asks for


def _object(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    properties = required | (optional or {})
    return {"type": "object", "required": list(required), "properties": properties}


def _all(values: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": values, "maxProperties": 1000}


def _list(items: dict[str, Any], at_most: int) -> dict[str, Any]:
    return {"type": "array", "items": items, "maxItems": at_most}


def _tuple(*items: dict[str, Any]) -> dict[str, Any]:
    count = {"minItems": len(items), "maxItems": len(items)}
    return {"type": "array", "items": list(items), **count}


_CORPUS = _object(
    {"name": _TEXT, "fingerprint": _TEXT, "tokens": _COUNT},
    {"train_tokens": _COUNT, "held_out_tokens": _COUNT, "distinct_tokens": _COUNT},
)
_DEVICE = _object(
    {"kind": _TEXT, "name": _TEXT, "precision": _TEXT, "strict": {"type": "boolean"}},
    {"threads": _COUNT},
)
_SESSIONS = _list({"type": "object"}, 10**4)
_REFERENCES = _all(_NUMBER) | {
    "required": [
        "ln_vocabulary", "unigram_loss", "unique_tokens_ceiling", "unique_predictions_ceiling",
    ],
}  # fmt: skip
_VERSIONS = _all(_TEXT) | {"required": ["torch", "python"]}
_MANIFEST = _object(
    {
        "format": _COUNT,
        "status": _STATUS,
        "config": {"type": "object", "required": ["arm"], "maxProperties": 100},
        "identity": _NAME,
        "corpus": _CORPUS,
        "device": _DEVICE,
        "references": _REFERENCES,
        "versions": _VERSIONS,
        "started": _TEXT,
    },
    {
        "ended": _TEXT,
        "reason": {"type": "string"},
        "epochs": _NUMBER,
        "recipe": {"type": "object"},
        "sessions": _SESSIONS,
        "sittings": _SESSIONS,  # their former name
        "stage1": _object({"from": _NAME, "steps": _COUNT}),
        "parameters": _COUNT,
        "model_sha256": _SHA256,
        "last_step": _COUNT,
        "files": _all(_SHA256),
    },
)
_SHARE = _tuple(_TOKEN, _NUMBER)
_SNAPSHOT = _object(
    {
        "top_tokens": _list(_tuple(_TOKEN, _NUMBER, _NUMBER), 1000) | {"minItems": 1},
        "abundances": _list(_tuple(_COUNT, _COUNT), LARGEST_VOCABULARY),
        "next_tokens": _list(_list(_SHARE, 1000), 1000),
        "continuations": _list(_list(_TOKEN, 1000), 1000) | {"minItems": 1},
    }
) | {"additionalProperties": False}
_ROW = _object(
    {name: {"type": "number"} for name in ("loss", "lr", "wd", *MEASURES, *HEALTH)}
    | {"step": _COUNT, "snapshot": _SNAPSHOT}
)
# Of a table of runs: what several of them share, and a row a run. Their configurations are checked
# by `RunConfig`, and what a row says of shared facts is a place among them.
_FACTS = _object(
    {
        "corpus": _list(_CORPUS, 1000),
        "device": _list(_DEVICE, 1000),
        "versions": _list(_VERSIONS, 1000),
        "references": _list(_REFERENCES, 1000),
        "sha256": _object(
            {"runs.csv": _SHA256, "evaluations.csv": _SHA256}, {"facts.json": _SHA256}
        )
        | {"additionalProperties": False},
    }
) | {"additionalProperties": False}
_RUN = _object(
    {
        "run": _COUNT,
        "identity": _NAME,
        "status": _STATUS,
        **dict.fromkeys(("started", "ended", "reason"), _TEXT),
        **dict.fromkeys(("corpus", "device", "versions", "references"), _COUNT),
    }
)
_PASSAGE = _object(
    {
        "run": _NAME,
        "text": {"enum": [GREEDY, NUCLEUS, HUMAN]},
        "measure": {"enum": list(MEASURED)},
        **dict.fromkeys(("value", "low", "high"), _SHARE_OF_ONE),
    }
) | {"additionalProperties": False}
_LOSSES = ("ln_vocabulary", "unigram_loss", "bigram_loss", "trigram_loss", "bytes_a_token")
_BASELINES = _object(
    {
        "fingerprint": _TEXT,
        **dict.fromkeys(("sequence_length", "probe_positions"), _COUNT),
        **dict.fromkeys(_LOSSES, _NUMBER | {"minimum": 0}),
    }
)
_LINES = _list(_TEXT, 1000)
_BESIDE = _object({"answer": _TEXT, "alike": _LINES, "unlike": _LINES})
_VERDICT = _object(
    {
        **dict.fromkeys(("question", "in_words", "answer", "reason", "prompt_probe"), _TEXT),
        "sub_answers": _list(_tuple(_TEXT, _TEXT, _TEXT), 100),
        "beside_full": _BESIDE | {"type": ["object", "null"]},
    },
    {"recommended": _TEXT},
)
_ENVIRONMENT = _object({"device": _TEXT, "torch": _TEXT, "cuda": _TEXT, "warnings": _LINES})

# Each returns what it is given, or raises a `ValueError`, one line that names the entry.
check_manifest = fastjsonschema.compile(_MANIFEST)
check_snapshot = fastjsonschema.compile(_SNAPSHOT)
check_verdict = fastjsonschema.compile(_VERDICT)
check_rows = fastjsonschema.compile(_list(_ROW, _ROWS))
check_environment = fastjsonschema.compile(_ENVIRONMENT)
check_facts = fastjsonschema.compile(_FACTS)
check_runs = fastjsonschema.compile(_list(_RUN, 10**4))
check_passages = fastjsonschema.compile(_list(_PASSAGE, 10**6))
check_baselines = fastjsonschema.compile(_list(_BASELINES, 10**4))
