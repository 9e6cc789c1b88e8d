"""The watch as a callback of the Trainer of transformers, which this module alone imports."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from bitnet import checks
from bitnet.diagnosis.watch import EVERY, WATCHED, Watch
from bitnet.extras import remedy

try:
    from transformers import TrainerCallback
except ImportError as error:
    missing = f"a package that is missing here; {remedy('export')}"
    raise checks.ParameterError("DiversityCallback", "transformers", missing) from error

__all__ = ["DiversityCallback"]

PREFIX = "diversity/"  # of every value that it logs


class DiversityCallback(TrainerCallback):
    """A `bitnet.Watch` of a `trainer`'s model, logged by `Trainer.log` to whatever it logs to.

    `text`, `tokenizer`, `every` and `positions` are as in `bitnet.Watch`, which is `watch` from the
    beginning of the training on. Logged are the measures, `diversity/down` (1 for a dead, collapsed
    or diverged model) and `diversity/early_warning` (1 where one rings); lines go to the terminal.

    Raises: `ParameterError` at the beginning of the training, as `bitnet.Watch`.
    """

    def __init__(
        self,
        trainer: Any,
        text: str | Tensor | Sequence[int],
        tokenizer: Any = None,
        every: int = EVERY,
        positions: int = WATCHED,
    ):
        self.trainer, self.text, self.tokenizer = trainer, text, tokenizer
        self.every, self.positions = every, positions
        self.watch: Watch | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Begin to watch."""
        self.watch = Watch(
            kwargs["model"], self.text, kwargs.get("optimizer"), self.every, state.max_steps,
            self.tokenizer, self.positions,
        )  # fmt: skip

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Look if it is time to, and log what was seen."""
        assert self.watch is not None, "the training has begun"
        look = self.watch(state.global_step)
        if look is None:
            return
        down = look.state not in ("learning", "diverse")
        seen = look.measures | {"down": down, "early_warning": bool(look.warnings)}
        wanted = control.should_log  # logging takes it that what the Trainer has to log is done
        self.trainer.log({f"{PREFIX}{name}": float(value) for name, value in seen.items()})
        control.should_log = wanted
