"""A trained model with its words: load a finished run, and let it write."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch

from bitnet import checks
from bitnet.committed import committed
from bitnet.data import load_corpus
from bitnet.decode import continue_prompts
from bitnet.evaluation.passages import (
    PASSAGES,
    TOKENS,
    Passages,
    check_passages,
    write_passages,
)
from bitnet.runs.history import History, HistoryError, default_runs_dir
from bitnet.runs.weights import load_model
from bitnet.terminal import say
from bitnet.tokenizer import Vocabulary
from bitnet.transformer import BitNetModel

__all__ = ["TrainedRun", "load"]


@dataclass(frozen=True)
class TrainedRun:
    """A finished run: its history, its model, and the vocabulary of its tokens."""

    history: History
    model: BitNetModel
    vocabulary: Vocabulary

    def generate(
        self,
        prompt: str,
        tokens: int = 64,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int = 0,
    ) -> str:
        """The continuation of a prompt, greedy for temperature 0; see `decode.continue_prompts`.

        Raises: `ParameterError` for an empty prompt and for values out of range.
        """
        ids = torch.tensor(self.vocabulary.encode([checks.text("prompt", prompt)]))
        said = continue_prompts(
            self.model, ids, checks.integer("tokens", tokens, 1), temperature, 0, top_p, seed
        )
        return self.vocabulary.decode(said[0].tolist())

    def passages(
        self,
        passages: int = PASSAGES,
        tokens: int = TOKENS,
        seed: int = 0,
        log: Callable[[str], None] = say,
    ) -> Passages:
        """What the model writes after openings of its own held-out text; see `write_passages`.

        Raises: `ParameterError` for values out of range, or where the text is out of reach;
        `HistoryError` where it is no longer the one that the run was trained on.
        """
        passages, tokens, seed = check_passages(passages, tokens, seed)  # before a text is read
        config = self.history.config
        corpus = load_corpus(config.corpus, config.vocabulary, log=log)
        facts = self.history.manifest.get("corpus")
        if not isinstance(facts, dict) or facts.get("fingerprint") != corpus.fingerprint:
            changed = f"was trained on another text than {config.corpus} is now"
            raise HistoryError(f"{self.history.folder}: {changed}; nothing of it is held out")
        return write_passages(self.model, corpus, passages, tokens, seed)


def load(run: str | Path) -> TrainedRun:
    """A finished run by its folder, or by the beginning of its name.

    In the default runs folder, else among the committed runs that have their weights.

    Raises: `HistoryError` where there is none, or several, or as `load_model`.
    """
    folder = _find(run)
    history = History.load(folder)
    return TrainedRun(history, load_model(history), history.vocabulary)


def _find(run: str | Path) -> Path:
    path, runs_dir = checks.path("run", run), default_runs_dir()
    if path.is_dir():
        return path
    name, where = str(run), runs_dir
    found = _beginning(name, runs_dir.glob("*/manifest.json"))
    if not found and (found := _beginning(name, committed("results").glob("*/*/*.safetensors"))):
        where = committed("results")
    if len(found) == 1:
        return found[0]
    what = f"{len(found)} runs begin so" if found else "no run begins so"
    raise HistoryError(f"{run}: no folder, and {what} in {where}; `bitnet runs` lists them")


def _beginning(name: str, files: Iterable[Path]) -> list[Path]:
    """The folders of these files whose names begin so."""
    return sorted({path.parent for path in files if path.parent.name.startswith(name)})
