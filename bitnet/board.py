"""The board of a sweep: one live table in a terminal, plain lines elsewhere."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.live import Live
from rich.table import Table

from bitnet.cell import Cell, Message, Outcome, Progress
from bitnet.estimate import duration, time_left

__all__ = ["Board"]

LINE_SECONDS = 60.0  # between two lines of progress where there is no terminal
STYLES = {
    "complete": "green",
    "read back": "green",
    "training": "cyan",
    "failed": "red",
    "diverged": "red",
    "stopped": "yellow",
}
NOT_URGENT = ("waiting", "complete", "read back")  # left out first where the terminal is too low for all


@dataclass
class Row:
    """A cell on the board; `first` and `last` are the (seconds, step) between which its speed is measured."""

    cell: Cell
    state: str = "waiting"
    step: int = 0
    loss: float | None = None
    reason: str = ""
    first: tuple[float, int] | None = None
    last: tuple[float, int] | None = None

    @property
    def speed(self) -> float | None:
        """Steps per second since the worker's first record."""
        if not self.first or not self.last or self.last[1] <= self.first[1]:
            return None
        return (self.last[1] - self.first[1]) / max(1e-9, self.last[0] - self.first[0])


class Board:
    """Shows the cells of a sweep while they are done: use as a context manager, and tell it what happens.

    Its methods may be called from several threads. `clock` gives seconds.
    """

    def __init__(
        self, cells: Sequence[Cell], workers: int, console: Console | None = None, clock: Callable[[], float] = time.monotonic
    ):
        self.rows = {cell.identity: Row(cell) for cell in cells}
        self.workers, self.clock = workers, clock
        self.console = console or Console(highlight=False)
        self.lock = threading.RLock()
        self.live = Live(get_renderable=self.table, console=self.console, refresh_per_second=2, transient=False)
        self.said = self.clock()

    def __enter__(self) -> "Board":
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.live.stop()

    def hear(self, cell: Cell, message: Message) -> None:
        """What a worker reports of its cell."""
        with self.lock:
            row = self.rows[cell.identity]
            if isinstance(message, str):
                self._print(message)
            elif isinstance(message, Progress):
                row.step, row.loss = message.step, message.loss
                row.last = (self.clock(), message.step)
                row.first = row.first or row.last
                if not self.console.is_terminal and self.clock() - self.said >= LINE_SECONDS:
                    self._line(row)
            else:
                row.state, row.first, row.last = "training", None, None
                self._line(row)

    def settle(self, cell: Cell, state: str, outcome: Outcome) -> None:
        """How a cell ended, or was found; `state` is the word for it."""
        with self.lock:
            row = self.rows[cell.identity]
            row.state, row.step, row.reason = state, max(row.step, outcome.step), outcome.reason
            self._line(row)

    def seconds_left(self) -> float | None:
        """The time that is left for all cells; None before it can be known."""
        speeds = {row.cell.config.hidden: row.speed for row in self.rows.values() if row.speed}
        if not speeds:
            return None

        def seconds(row: Row) -> float:
            size = row.cell.config.hidden
            nearest = min(speeds, key=lambda other: abs(other - size))
            # The cost of an update grows about as the hidden size: most of it is embedding and head.
            speed = row.speed or (speeds[nearest] or 1.0) * nearest / size
            return (row.cell.config.steps - row.step) / speed

        running = [seconds(row) for row in self.rows.values() if row.state == "training"]
        waiting = [seconds(row) for row in self.rows.values() if row.state == "waiting"]
        return time_left(running, waiting, max(self.workers, len(running)))

    def summary(self) -> str:
        """Such as "2 training, 9 waiting, 4 complete; about 5 h 12 min left"."""
        with self.lock:
            counts = Counter(row.state for row in self.rows.values())
            left = self.seconds_left()
        text = ", ".join(f"{count} {state}" for state, count in counts.items())
        return f"{text}; about {duration(left)} left" if left is not None and counts["training"] else text

    def table(self) -> Table:
        """The board as it stands."""
        with self.lock:
            rows = list(self.rows.values())
            room = self.console.height - 6
            if self.console.is_terminal and len(rows) > room:
                rows = [*[r for r in rows if r.state not in NOT_URGENT], *[r for r in rows if r.state in NOT_URGENT]][
                    : max(1, room)
                ]
            table = Table(title=self.summary(), title_justify="left", title_style="bold")
            several = len({row.cell.config.corpus for row in self.rows.values()}) > 1
            for column in ("arm", *(["corpus"] if several else [])):
                table.add_column(column)
            for column in ("hidden", "seed", "state", "step", "loss", "steps/s", "time left"):
                table.add_column(column, justify="left" if column == "state" else "right", no_wrap=True)
            for row in rows:
                config, speed, style = row.cell.config, row.speed, STYLES.get(row.state, "")
                training = row.state == "training" and speed
                table.add_row(
                    config.arm, *([config.corpus] if several else []), str(config.hidden), str(config.seed),
                    f"[{style}]{row.state}[/]" if style else row.state, f"{row.step} of {config.steps}",
                    "" if row.loss is None else f"{row.loss:.2f}", f"{speed:.1f}" if training else "",
                    duration((config.steps - row.step) / speed) if training and speed else "",
                )  # fmt: skip
            return table

    def _line(self, row: Row) -> None:
        """A line of progress, where there is no table to show it."""
        if not self.console.is_terminal:
            self.said = self.clock()
            at = f", step {row.step}, loss {row.loss:.2f}" if row.state == "training" and row.loss is not None else ""
            reason = f" ({row.reason})" if row.reason else ""
            self._print(f"{row.cell.name}: {row.state}{at}{reason}. {self.summary()}")

    def _print(self, line: str) -> None:
        self.console.print(line, markup=False, soft_wrap=True)
