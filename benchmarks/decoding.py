"""Decoding: this package beside transformers, greedily, on one model and its export."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.speed import Size
from benchmarks.turns import Build, Stepper, Turns
from bitnet import BitNetModel, Trainer, load_corpus
from bitnet.decode import continue_prompts
from bitnet.hf.folder import write_model
from bitnet.linear import weights_kept
from bitnet.runtime.backend import choose

__all__ = ["GIVEN", "NEW", "OURS", "ROWS", "builds", "prepare", "result_of"]

GIVEN, NEW = 8, 24  # tokens of a prompt and added to it: together a window of training
ARM, OURS = "adamw-0.0", "bitnet"
ROWS = (OURS, "bitnet, no cache", "transformers", "transformers, no cache")
STATE, PROMPTS = "state.pt", "prompts.pt"


def prepare(folder: Path, size: Size, updates: int, device: torch.device) -> None:
    """Train a model for so many updates, and leave it, its export and 32 prompts in a folder."""
    corpus, backend = load_corpus(vocabulary=size.vocabulary), choose(str(device))
    trainer = Trainer(size.run(ARM), corpus, backend)
    with backend.in_force():
        for t in range(1, updates + 1):
            trainer.update(t)
    model = BitNetModel(trainer.model.config)
    model.load_state_dict(trainer.weights())
    length = size.run(ARM).sequence_length
    write_model(folder, model, corpus.vocabulary, length)
    torch.save({"config": model.config, "weights": model.state_dict()}, folder / STATE)
    torch.save(corpus.held_out.view(-1, length)[:32, :GIVEN].clone(), folder / PROMPTS)


def builds(folder: Path, batch: int) -> dict[str, Build]:
    """The rows, each of which continues the first `batch` of the prompts."""
    kinds = ((ours, True), (ours, False), (theirs, True), (theirs, False))
    return {
        row: partial(kind, folder, batch, cached)
        for row, (kind, cached) in zip(ROWS, kinds, strict=True)
    }


def ours(folder: Path, batch: int, cached: bool, device: torch.device) -> Stepper:
    """`bitnet.decode`; without a cache the whole prefix is read anew for each token."""
    saved = torch.load(folder / STATE, weights_only=False)
    model = BitNetModel(saved["config"])
    model.load_state_dict(saved["weights"])
    model.to(device)
    prompts = torch.load(folder / PROMPTS)[:batch].to(device)

    @torch.inference_mode()
    def without(_: int) -> Tensor:
        ids = prompts
        with weights_kept(model):
            for _ in range(NEW):
                new = model.lm_head(model.features(ids)[:, -1]).argmax(dim=-1, keepdim=True)
                ids = torch.cat([ids, new], dim=1)
        return ids[:, GIVEN:]

    return (lambda _: continue_prompts(model, prompts, NEW)) if cached else without


def theirs(folder: Path, batch: int, cached: bool, device: torch.device) -> Stepper:
    """`generate` of transformers on the export, as it is loaded by default."""
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(folder).to(device)
    prompts = torch.load(folder / PROMPTS)[:batch].to(device)

    def step(_: int) -> Tensor:
        ids = model.generate(
            prompts, attention_mask=torch.ones_like(prompts), pad_token_id=0, do_sample=False,
            min_new_tokens=NEW, max_new_tokens=NEW, use_cache=cached,
        )  # fmt: skip
        return ids[:, GIVEN:]

    return step


def result_of(size: Size, batch: int, turns: Turns) -> dict[str, Any]:
    """One block of the file: tokens a second, and how far each text is that of `OURS`."""
    written = batch * NEW
    return {
        "hidden": size.hidden,
        "vocabulary": size.vocabulary,
        "batch": batch,
        "given": GIVEN,
        "new": NEW,
        "tokens_per_second": {row: written / s for row, s in turns.medians.items()},
        "raw_seconds": turns.seconds,
        "first_seconds": turns.first_seconds,
        "peak_bytes": turns.peak_bytes,
        "absent": turns.absent,
        "same": agreement(turns.ended),
    }


def agreement(texts: Mapping[str, list[list[int]]]) -> dict[str, dict[str, int | None]]:
    """Of each row the number of texts [B, NEW] equal to those of `OURS`, and where one first parts.

    `parts_at` counts new tokens from 1; None where none parts.
    """
    found: dict[str, dict[str, int | None]] = {}
    for row, text in texts.items():
        at = [
            next((i for i, (a, b) in enumerate(zip(*pair, strict=True), 1) if a != b), None)
            for pair in zip(texts[OURS], text, strict=True)
        ]
        parted = [i for i in at if i is not None]
        found[row] = {"equal": at.count(None), "parts_at": min(parted, default=None)}
    return found
