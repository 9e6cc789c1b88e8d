"""Configuration: the sizes of a model, and all that decides what a training run computes."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bitnet import checks
from bitnet.arms import arm_name, recipe
from bitnet.recipes import Recipe
from bitnet.schedule import stage_boundary

__all__ = ["BLOCK", "GPT2_VOCABULARY", "BitNetConfig", "RunConfig"]

GPT2_VOCABULARY = 50257
BYTES = 256  # the least that a byte-level vocabulary can have
LARGEST_VOCABULARY = 65535  # token ids are kept in 16 bits
BLOCK = 1024  # tokens of a corpus; so small that train and held-out see the same articles

# Raised when a change of code changes the numbers of a run, or which are kept, so that older run
# folders are not loaded in its place.
RECIPE_VERSION = 2

# What a run may ask for. Of more no machine has the memory; windows are cut out of blocks.
_RANGES = {
    "hidden": (1, 2**16), "steps": (8, 10**9), "layers": (1, 2**10), "heads": (1, 2**10),
    "kv_heads": (0, 2**10), "batch_size": (1, 2**20), "sequence_length": (2, BLOCK),
    "eval_every": (0, 10**9), "probe_positions": (1, 10**9),
}  # fmt: skip
# What tells runs apart in a label, in its order.
_LABELS = {
    "hidden": "hidden {}", "vocabulary": "vocabulary {}", "batch_size": "batch {}",
    "sequence_length": "windows of {}", "steps": "{} steps", "seed": "seed {}",
    "order": "order {}", "corpus": "{}",
}  # fmt: skip
# These only tell runs apart: no run's own label has them.
_AMONG_ONLY = ("batch_size", "sequence_length")
# These are left out of a label, and of an identity, where they are as the first runs had them.
_YOUNGER = ("vocabulary", "order")


@dataclass(frozen=True)
class BitNetConfig:
    """Sizes and options of a `BitNetModel`.

    0 for `num_kv_heads` or `ffn_hidden_size` means `num_heads` or `2 * hidden_size`.
    `norm_placement` "double" normalises at the head of each sub-layer and again inside every
    BitLinear, as the brief does; "inside" keeps the second only (BitNet b1.58 training tips,
    section 1). `quantize=False` makes both quantizers the identity.

    Raises: `ParameterError` for sizes that do not fit together.
    """

    vocab_size: int = GPT2_VOCABULARY
    hidden_size: int = 256
    num_layers: int = 4
    num_heads: int = 4
    num_kv_heads: int = 0
    ffn_hidden_size: int = 0
    norm_eps: float = 1e-5
    rope_theta: float = 10000.0
    norm_placement: str = "double"
    quantize: bool = True

    def __post_init__(self) -> None:
        for name in ("vocab_size", "hidden_size", "num_layers", "num_heads"):
            self._set(name, checks.integer(name, getattr(self, name), 1))
        self._set(
            "num_kv_heads", checks.integer("num_kv_heads", self.num_kv_heads, 0) or self.num_heads
        )
        self._set(
            "ffn_hidden_size",
            checks.integer("ffn_hidden_size", self.ffn_hidden_size, 0) or 2 * self.hidden_size,
        )
        self._set("norm_eps", checks.number("norm_eps", self.norm_eps, 0.0, 1.0))
        self._set("rope_theta", checks.number("rope_theta", self.rope_theta, 1.0))
        checks.choice("norm_placement", self.norm_placement, ("double", "inside"))
        checks.boolean("quantize", self.quantize)
        if self.hidden_size % (2 * self.num_heads):
            allowed = f"must be a multiple of {2 * self.num_heads} (2 x {self.num_heads} heads)"
            raise checks.ParameterError("hidden_size", self.hidden_size, allowed)
        if self.num_heads % self.num_kv_heads:
            raise checks.ParameterError(
                "num_kv_heads", self.num_kv_heads, f"must divide num_heads ({self.num_heads})"
            )

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    @property
    def head_dim(self) -> int:
        return self.hidden_size // self.num_heads


@dataclass(frozen=True)
class RunConfig:
    """One training run. Equal `RunConfig`s compute the same numbers, given the same machine.

    That is: with equal corpus, kind of device, precision and number of threads, on CUDA only if
    strict. `arm` is a name from `ARMS` or overrides of one, as `recipes.arm_name` takes them.
    `vocabulary` is the number of tokens: GPT-2's 50 257, or that of a byte-level BPE trained on the
    training text. `seed` decides the initial weights, `order` the order of the training text: 0 is
    the text as it is, any other number shuffles its blocks. `eval_every=0` spreads 20 evaluations
    over the run; the milestones are evaluated in any case. `probe_positions` is the number of
    held-out positions that the measures look at.

    Raises: `ParameterError`, one line, for a value that is not allowed.
    """

    arm: str
    hidden: int = 256
    steps: int = 20000
    seed: int = 0
    corpus: str = "wikipedia-sample"
    layers: int = 4
    heads: int = 4
    kv_heads: int = 0
    batch_size: int = 4
    sequence_length: int = 32
    eval_every: int = 0
    probe_positions: int = 4096
    vocabulary: int = GPT2_VOCABULARY
    order: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "arm", arm_name(self.arm))
        if isinstance(self.corpus, os.PathLike):
            object.__setattr__(self, "corpus", os.fspath(self.corpus))
        for name, (low, high) in _RANGES.items():
            object.__setattr__(self, name, checks.integer(name, getattr(self, name), low, high))
        for name in ("seed", "order"):
            value = checks.integer(name, getattr(self, name), 0, 2**31 - 1)
            object.__setattr__(self, name, value)
        size = checks.integer("vocabulary", self.vocabulary, BYTES, LARGEST_VOCABULARY)
        object.__setattr__(self, "vocabulary", size)
        if self.hidden % (2 * self.heads):
            allowed = f"must be a multiple of {2 * self.heads} (2 x {self.heads} heads)"
            raise checks.ParameterError("hidden", self.hidden, allowed)
        self.model()

    @property
    def recipe(self) -> Recipe:
        return recipe(self.arm)

    @property
    def switch(self) -> int | None:
        """The last update of Stage 1; None for a recipe whose stages are one."""
        return stage_boundary(self.steps) if self.recipe.staged else None

    @property
    def name(self) -> str:
        """The beginning of this run's identity, and of the name of its folder."""
        vocabulary = "" if self._is_default("vocabulary") else f"-v{self.vocabulary}"
        order = "" if self._is_default("order") else f"-o{self.order}"
        return f"{self.arm}-h{self.hidden}{vocabulary}-t{self.steps}-s{self.seed}{order}"

    def label(self, among: Sequence["RunConfig"] | None = None) -> str:
        """What every page calls this run: the arm, and what tells it from the runs `among` it.

        Without `among`: arm, hidden size, steps and seed, and a corpus that is not the default.
        """
        parts = [self.arm]
        for field, text in _LABELS.items():
            if among is not None:
                told = len({getattr(c, field) for c in among}) > 1
            elif field in (*_YOUNGER, "corpus"):
                told = not self._is_default(field)
            else:
                told = field not in _AMONG_ONLY
            if told:
                parts.append(text.format(getattr(self, field)))
        return ", ".join(parts)

    def _is_default(self, field: str) -> bool:
        return getattr(self, field) == getattr(RunConfig, field)

    def model(self, vocab_size: int | None = None) -> BitNetConfig:
        """The sizes of this run's model."""
        return BitNetConfig(
            vocab_size=vocab_size or self.vocabulary,
            hidden_size=self.hidden,
            num_layers=self.layers,
            num_heads=self.heads,
            num_kv_heads=self.kv_heads,
            quantize=self.recipe.quantize,
        )

    def to_dict(self) -> dict[str, object]:
        return asdict(self)

    def identity(
        self,
        corpus_fingerprint: str,
        device: str,
        precision: str = "float32",
        strict: bool = False,
    ) -> str:
        """A name for the folder of this run: readable sizes, then a hash of all that decides it.

        The corpus counts by its content, not by its name, and the arm by its recipe. What changes
        rounding only does not count. On a CPU every run is strict.
        """
        config = self.to_dict()
        for field in filter(self._is_default, _YOUNGER):
            del config[field]
        facts = config | {
            "corpus": corpus_fingerprint,
            "recipe": self.recipe.facts(),
            "recipe_version": RECIPE_VERSION,
            "device": device,
            "precision": precision,
        }
        if strict and device != "cpu":
            facts["strict"] = True
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
        return f"{self.name}-{digest[:10]}"
