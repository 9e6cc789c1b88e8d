"""The table of a sweep while it is done: live in a terminal, plain lines elsewhere."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.cells import cell_len
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bitnet.config import RunConfig
from bitnet.runs.history import History, HistoryError
from bitnet.sweep.estimate import duration, time_left
from bitnet.sweep.job import Event, Job, Outcome
from bitnet.sweep.sharing import begins
from bitnet.terminal import Terminal

__all__ = ["SweepTable"]

LINE_SECONDS = 60.0  # between two lines of progress where there is no terminal
STYLES = {
    "complete": "green",
    "loaded": "green",
    "training": "cyan",
    "failed": "red",
    "diverged": "red",
    "stopped": "yellow",
}
NUMBERS = ("hidden", "seed", "step", "loss", "steps/s", "time left")
TELLING = ("corpus", "hidden", "seed")  # runs apart
FOLDED = ("arm", "corpus")
# Left out in this order where the terminal is too narrow for all.
LEFT_OUT = ("steps/s", "hidden", "seed", "time left", "loss", "model")
NOT_URGENT = ("waiting", "complete", "loaded")  # left out first where a terminal is too low for all


@dataclass
class Row:
    """A job in the table; `first` and `last` are the (seconds, step) that give its speed.

    `model` says in words what the last evaluation found.
    """

    job: Job
    state: str = "waiting"
    step: int = 0
    loss: float | None = None
    reason: str = ""
    model: str = ""
    first: tuple[float, int] | None = None
    last: tuple[float, int] | None = None

    @property
    def speed(self) -> float | None:
        """Steps per second since the worker's first record."""
        first, last = self.first, self.last  # rich draws in a thread of its own
        if not first or not last or last[1] <= first[1]:
            return None
        return (last[1] - first[1]) / max(1e-9, last[0] - first[0])

    def cells(self) -> dict[str, str]:
        """What the table shows of it, by column."""
        config = self.job.config
        speed = self.speed if self.state == "training" else None
        return {
            "arm": config.arm,
            "corpus": config.corpus,
            "hidden": str(config.hidden),
            "seed": str(config.seed),
            "run": self.state,
            "step": f"{self.step} of {config.steps}",
            "loss": "" if self.loss is None else f"{self.loss:.2f}",
            "model": self.model,
            "steps/s": f"{speed:.1f}" if speed else "",
            "time left": duration((config.steps - self.step) / speed) if speed else "",
        }


def _width(cells: Sequence[dict[str, str]], columns: Sequence[str]) -> int:
    """The columns of a terminal that a table of these takes; what is folded counts as 8."""
    longest = (
        8 if name in FOLDED else max(map(cell_len, (name, *(row[name] for row in cells))))
        for name in columns
    )
    return 1 + sum(3 + width for width in longest)


def _found(job: Job) -> str:
    """What the newest evaluation of a run says, such as "dead" or "diverse, 99 distinct tokens"."""
    try:
        history = History.load(job.runs_dir / job.identity)
    except HistoryError:
        return ""
    state = history.states.iloc[-1]
    tokens = int(history.measures.unique_tokens.iloc[-1])
    return state if state == "dead" else f"{state}, {tokens} distinct token{'s' * (tokens != 1)}"


def _cost(config: RunConfig) -> int:
    """What an update costs, in no unit: most of it is embedding and head."""
    return config.hidden * config.vocabulary * config.batch_size * config.sequence_length


class SweepTable:
    """Shows the jobs of a sweep while they are done; use as a context manager.

    `listen` and `finish` are the callbacks of an engine, which has so many `workers`, of them
    `parallel` at full speed. `clock` gives seconds.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        workers: int,
        parallel: int,
        console: Terminal | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.rows = {job.identity: Row(job) for job in jobs}
        self.workers, self.parallel, self.clock = workers, parallel, clock
        self.console = console or Terminal()
        self.live = Live(get_renderable=self.table, console=self.console, refresh_per_second=2)
        self.last_line = self.clock()

    def __enter__(self) -> "SweepTable":
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.live.stop()

    def listen(self, job: Job, event: Event) -> None:
        """Take in what a worker reports of its job."""
        row = self.rows[job.identity]
        if event["event"] == "log":
            self._print(event["line"])
        elif event["event"] == "progress":
            row.step, row.loss = event["step"], event["loss"]
            row.last = (self.clock(), row.step)
            row.first = row.first or row.last
            if event["evaluated"]:
                row.model = _found(job)
            if self.clock() - self.last_line >= LINE_SECONDS:
                self._line(row)
        else:
            row.state, row.first, row.last = "training", None, None
            self._line(row)

    def finish(self, job: Job, outcome: Outcome, state: str = "") -> None:
        """Take in how a job ended, or was found; `state` is the word for it, if not its status."""
        row = self.rows[job.identity]
        row.state, row.reason = state or outcome.status, outcome.reason
        row.step = max(row.step, outcome.step)
        self._line(row)

    def seconds_left(self) -> float | None:
        """The time that is left for all jobs; None before it can be known."""
        speeds = {_cost(row.job.config): row.speed for row in self.rows.values() if row.speed}
        if not speeds:
            return None

        def seconds(row: Row) -> float:
            cost = _cost(row.job.config)
            nearest = min(speeds, key=lambda other: abs(other - cost))
            speed = row.speed or (speeds[nearest] or 1.0) * nearest / cost
            begun = begins(row.job, Outcome(row.state, row.step))
            return (row.job.config.steps - begun) / speed * share

        at_once = sum(row.state == "training" for row in self.rows.values())
        share = min(1.0, self.parallel / max(1, at_once))  # of a core that each has now
        running = [seconds(row) for row in self.rows.values() if row.state == "training"]
        waiting = [seconds(row) for row in self.rows.values() if row.state == "waiting"]
        return time_left(running, waiting, max(self.workers, at_once), self.parallel)

    def summary(self) -> str:
        """Such as "2 training, 9 waiting, 4 complete; about 5 h 12 min left"."""
        counts = Counter(row.state for row in self.rows.values())
        text = ", ".join(f"{count} {state}" for state, count in counts.items())
        left = self.seconds_left() if counts["training"] else None
        return text if left is None else f"{text}; about {duration(left)} left"

    def table(self) -> Table:
        """The table as it stands."""
        rows = list(self.rows.values())
        room = self.console.height - 6
        if self.console.is_terminal and len(rows) > room:
            rows = sorted(rows, key=lambda row: row.state in NOT_URGENT)[: max(1, room)]
        cells = [row.cells() for row in rows]
        columns = self._columns(cells)
        narrow = _width(cells, columns) > self.console.width
        table = Table(title=self.summary(), title_justify="left", title_style="bold")
        if narrow:
            table.box, table.padding = None, (0, 1, 0, 0)
        for name in columns:
            justify: Literal["left", "right"] = "right" if name in NUMBERS else "left"
            folds = name in FOLDED
            table.add_column(name, justify=justify, overflow="fold", no_wrap=not folds)
        for row in cells:
            styled = row | {"run": Text(row["run"], STYLES.get(row["run"], ""))}
            table.add_row(*(styled[name] for name in columns))
        return table

    def _columns(self, cells: Sequence[dict[str, str]]) -> list[str]:
        """Those for which the terminal is wide enough; what tells the runs apart stays."""
        configs = [row.job.config for row in self.rows.values()]
        tell = {name for name in TELLING if len({getattr(c, name) for c in configs}) > 1}
        columns = [name for name in cells[0] if name != "corpus" or name in tell]
        for name in LEFT_OUT:
            if _width(cells, columns) > self.console.width and name not in tell:
                columns.remove(name)
        return columns

    def _line(self, row: Row) -> None:
        """A line of progress, where there is no table to show it."""
        if self.console.is_terminal:
            return
        self.last_line = self.clock()
        at = ""
        if row.state == "training" and row.loss is not None:
            at = f", step {row.step}, loss {row.loss:.2f}{f', {row.model}' if row.model else ''}"
        reason = f" ({row.reason})" if row.reason else ""
        self._print(f"{row.job.config.label()}: {row.state}{at}{reason}. {self.summary()}")

    def _print(self, line: str) -> None:
        self.console.print(line, soft_wrap=True)
