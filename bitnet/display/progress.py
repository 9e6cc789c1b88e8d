"""Progress in a terminal or under a notebook cell: run, step, loss, steps a second, time left."""

import sys
from collections.abc import Sequence
from typing import TextIO

from tqdm import tqdm

from bitnet.checks import printable
from bitnet.config import RunConfig
from bitnet.evaluation.measures import MEASURES, number
from bitnet.records import Record

__all__ = ["ProgressBar"]

_DECIMALS = MEASURES["val_loss"].decimals
SECONDS_BETWEEN_LINES = 2.0  # a saved notebook keeps every line a bar ever drew


class ProgressBar:
    """A callback for `execute`: one bar a run.

    On standard error if that is a terminal, else on standard output: a notebook shows what comes on
    standard error as if it were wrong. `among` are the runs it is to be told from in its label.
    """

    def __init__(self, among: Sequence[RunConfig] | None = None, stream: TextIO | None = None):
        self.among = among
        self.stream = stream or (sys.stderr if sys.stderr.isatty() else sys.stdout)
        self.config: RunConfig | None = None
        self.bar: tqdm | None = None

    def __call__(self, config: RunConfig, record: Record) -> None:
        if self.bar is None or config != self.config:
            self.close()
            self.config = config
            self.bar = tqdm(
                total=config.steps,
                initial=record.step,
                desc=printable(config.label(self.among)),
                unit="step",
                file=self.stream,
                mininterval=SECONDS_BETWEEN_LINES,
                ncols=100,
            )
        self.bar.set_postfix_str(f"loss {number(record.loss, _DECIMALS)}", refresh=False)
        self.bar.update(record.step - self.bar.n)
        if record.step == config.steps:
            self.close()

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None
