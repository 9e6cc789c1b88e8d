"""What models say as text to read: tokens, repeats, a table of continuations. All is escaped."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Protocol

import torch
from torch import Tensor

from bitnet.decode import continue_prompts
from bitnet.evaluation.repetition import repeated
from bitnet.transformer import BitNetModel

__all__ = ["Decoder", "continuations_table", "marked", "segments", "shown", "written_table"]

_TABLE = '<table style="text-align:left;border-collapse:collapse;font-size:13px">'
_PADDED = "text-align:left;padding:2px 10px 2px 0"
_CELL = f'<td style="{_PADDED};vertical-align:top;border-bottom:1px solid #ddd">'
_HEAD = f'<th style="{_PADDED}">'
_REPEAT = '<span style="background:#E69F0066" title="repeats an earlier 4-gram">'
REPEAT_LENGTH = 4


class Decoder(Protocol):
    """What gives ids their text: a `Vocabulary`, or another tokenizer."""

    def decode(self, ids: Sequence[int]) -> str: ...


def shown(token: int, vocabulary: Decoder) -> str:
    """A token as text to read: its spaces and line breaks made visible."""
    text = vocabulary.decode([token])
    return text.replace(" ", "␣").replace("\n", "⏎").replace("\t", "⇥")


def continuations_table(
    prompts: Sequence[Sequence[int]] | None,
    continuations: Mapping[str, Sequence[Sequence[int]]],
    vocabulary: Decoder,
    rows: int = 8,
) -> str:
    """Each prompt (None: not shown) with its continuation by each named model, side by side.

    The tokens of repeated 4-grams are marked.
    """
    columns = {
        name: [marked(said, vocabulary) for said in texts] for name, texts in continuations.items()
    }
    if prompts is not None:
        columns = {"prompt": [escape(vocabulary.decode(prompt)) for prompt in prompts]} | columns
    lines = "".join(
        f"<tr>{''.join(f'{_CELL}{cell}</td>' for cell in cells)}</tr>"
        for cells in list(zip(*columns.values(), strict=True))[:rows]
    )
    return f"{_TABLE}<tr>{_heads(tuple(columns))}</tr>{lines}</table>"


def written_table(
    models: Mapping[str, BitNetModel],
    prompts: Tensor,
    new_tokens: int,
    vocabulary: Decoder,
    **sampling: Any,
) -> str:
    """Prompts [B, S] beside what each model writes after them, as in `continuations_table`.

    Greedily, but for the arguments of `continue_prompts` in `sampling`.
    """
    said = {
        name: continue_prompts(model, prompts, new_tokens, **sampling).tolist()
        for name, model in models.items()
    }
    return continuations_table(prompts.tolist(), said, vocabulary)


def marked(ids: Sequence[int], vocabulary: Decoder) -> str:
    """The text of a continuation as HTML, with every token of a repeated 4-gram marked."""
    return "".join(
        f"{_REPEAT}{escape(text)}</span>" if repeat else escape(text)
        for text, repeat in segments(ids, vocabulary)
    )


def segments(ids: Sequence[int], vocabulary: Decoder) -> list[tuple[str, bool]]:
    """The text of a continuation in parts: (text, whether its tokens repeat an earlier 4-gram)."""
    ids = list(ids)
    mask = [False] * len(ids)
    if len(ids) >= REPEAT_LENGTH:
        mask = repeated(torch.tensor([ids]), REPEAT_LENGTH)[0].tolist()
    whole, parts, start = vocabulary.decode(ids), [], 0
    for end in range(1, len(ids) + 1):
        if end < len(ids) and mask[end] == mask[end - 1]:
            continue
        # A character may lie across the end: its bytes are whole only with the next token's, and it
        # goes there.
        stop = len(vocabulary.decode(ids[:end]).rstrip("\ufffd")) if end < len(ids) else len(whole)
        parts.append((whole[start:stop].replace("\n", "⏎ "), mask[end - 1]))
        start = stop
    return parts


def _heads(names: Sequence[str]) -> str:
    return "".join(f"{_HEAD}{escape(name)}</th>" for name in names)
