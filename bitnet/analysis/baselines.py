"""Baselines: the losses of models that are tables, where the runs of this study are measured.

New runs have them among their references. The committed ones are older, and stay as they are:
theirs are in `results/baselines.json`, without any text.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from bitnet import checks
from bitnet.analysis.results import load_results
from bitnet.checks import first_line
from bitnet.committed import committed
from bitnet.config import BLOCK
from bitnet.data import Corpus, load_corpus
from bitnet.evaluation.diversity import Probe
from bitnet.evaluation.ngrams import bits_per_byte
from bitnet.files import read_json
from bitnet.runs.history import History, HistoryError
from bitnet.runs.schema import check_baselines
from bitnet.scales import SCALES

__all__ = [
    "BASELINES", "FILE", "baselines", "beaten", "in_bits", "of_the_committed", "read_against",
]  # fmt: skip

FILE = committed("results/baselines.json")
# Losses in nats a token, by their names among the references, and whose they are.
BASELINES = {
    "ln_vocabulary": "ln V, a uniform prediction",
    "unigram_loss": "unigram model",
    "bigram_loss": "bigram model",
    "trigram_loss": "trigram model",
}
_BYTES = "bytes_a_token"
_DECIMALS = 6  # beyond which machines differ in how they round a sum


def baselines(
    corpus: Corpus, probe_positions: object = 4096, sequence_length: object = 32
) -> dict[str, str | int | float]:
    """What text and positions these are, and the losses of `BASELINES` there, in nats a token.

    `positions` are those that `val_loss` is measured at; `bytes_a_token` is the mean over their
    tokens. Raises: `ParameterError`.
    """
    asked = checks.integer("probe_positions", probe_positions, 1)
    length = checks.integer("sequence_length", sequence_length, 2, BLOCK)
    probe = Probe.from_corpus(corpus, asked, length)
    return {
        "corpus": corpus.name,
        "fingerprint": corpus.fingerprint,
        "vocabulary": corpus.vocab_size,
        "sequence_length": length,
        "probe_positions": asked,
        "train_tokens": len(corpus.train_ids),
        "positions": probe.windows[:, 1:].numel(),
        **{name: round(probe.references[name], _DECIMALS) for name in (*BASELINES, _BYTES)},
    }


def in_bits(found: Mapping[str, float]) -> dict[str, float]:
    """The losses of `BASELINES` among these values, in bits a byte."""
    return {name: round(bits_per_byte(found[name], found[_BYTES]), _DECIMALS) for name in BASELINES}


def of_the_committed() -> list[dict[str, str | int | float]]:
    """The baselines of every text and choice of positions that committed runs have, computed.

    Raises: `HistoryError` where the text is not what the runs were trained on.
    """
    found = {}
    for scale in SCALES.values():
        for history in load_results(committed(scale.results)):
            if (key := _key(history)) in found:
                continue
            config = history.config
            corpus = load_corpus(config.corpus, config.vocabulary)
            if corpus.fingerprint != key[0]:
                other = f"{config.corpus} is another text here than the one it was trained on"
                raise HistoryError(f"{history.folder}: {other}")
            found[key] = baselines(corpus, config.probe_positions, config.sequence_length)
    return list(found.values())


def read_against(history: History) -> Mapping[str, float]:
    """The references of a run, and those baselines that are known for it and not among them."""
    return {**_committed(FILE).get(_key(history), {}), **history.references}


def beaten(history: History) -> str:
    """Whose loss the last one of a run is below, in words: the best of the known baselines."""
    known, loss = read_against(history), float(history.measures.val_loss.iloc[-1])
    worse = {known[name]: said for name, said in BASELINES.items() if loss < known.get(name, loss)}
    return worse[min(worse)] if worse else "no baseline"


def _key(history: History) -> tuple[object, ...]:
    """What decides the baselines: text with vocabulary, by their fingerprint, and positions."""
    corpus, config = history.manifest.get("corpus"), history.config
    fingerprint = corpus.get("fingerprint") if isinstance(corpus, Mapping) else None
    return fingerprint, config.sequence_length, config.probe_positions


@cache
def _committed(path: Path) -> dict[tuple[object, ...], dict[str, float]]:
    """The baselines of a file by `_key`; none without the file. Raises: `HistoryError`."""
    if not path.exists():
        return {}
    try:
        rows = check_baselines(read_json(path), name_prefix=path.name)
    except (OSError, ValueError) as error:
        raise HistoryError(f"{path}: not the committed baselines ({first_line(error)})") from error
    return {
        (row["fingerprint"], row["sequence_length"], row["probe_positions"]): {
            name: row[name] for name in (*BASELINES, _BYTES)
        }
        for row in rows
    }
