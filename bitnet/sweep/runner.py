"""A sweep from beginning to end: what is there, what is to be done, and how each job ended."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from rich.table import Table

from bitnet import checks
from bitnet.config import RunConfig
from bitnet.data import load_corpus
from bitnet.runs.grid import Grid
from bitnet.runs.history import default_runs_dir
from bitnet.runs.stage1 import SharedStage1, stage1_name
from bitnet.runs.tracker import NO_TRACKER, check_tracker, logs
from bitnet.scales import FULL, SCALES, scale_of
from bitnet.sweep.estimate import duration, measure_speed, size, time_left
from bitnet.sweep.here import Here
from bitnet.sweep.job import FINISHED, Event, Job, Outcome
from bitnet.sweep.notebook import check_notebook
from bitnet.sweep.pool import Finish, Pool
from bitnet.sweep.ray import RayCluster
from bitnet.sweep.sharing import begins, share
from bitnet.sweep.table import SweepTable
from bitnet.terminal import Terminal

__all__ = ["ENGINES", "FINISHED", "Engine", "Runner", "Watch", "failures"]

Engine = Here | Pool | RayCluster
ENGINES: Mapping[str, Callable[..., Engine]] = {"pool": Pool, "ray": RayCluster.connect}
# Parameters that a notebook need not have while its plan makes of them what the run has: the sizes
# of its scale, and the others as they are by default.
SIZES = ("vocabulary", "batch_size", "sequence_length")
DEFAULTS = ("eval_every", "probe_positions", "order")


class Watch(Protocol):
    """Who is told what becomes of the jobs: what workers report, and how each ended or was found.

    `state` is the word for how it ended, if it is not the status of the outcome.
    """

    def listen(self, job: Job, event: Event) -> None: ...
    def finish(self, job: Job, outcome: Outcome, state: str = "") -> None: ...


@dataclass
class Runner:
    """The jobs of a sweep, the engine that does them, and what was `found` on disk, by identity."""

    jobs: Sequence[Job]
    engine: Engine
    found: Mapping[str, Outcome]
    console: Terminal = field(default_factory=Terminal)
    stages: Mapping[str, str] = field(default_factory=dict)  # names of Stages 1, by identity

    @classmethod
    def prepare(
        cls,
        grid: Grid,
        engine_for: Callable[[int], Engine],
        runs_dir: str | Path = "",
        console: Terminal | None = None,
        strict: bool = False,
        tracker: str = NO_TRACKER,
    ) -> "Runner":
        """Check everything, get the corpora, and look at what is there; no run is begun.

        `engine_for` gives the engine for so many jobs. `runs_dir`, `strict` and `tracker` are as in
        a `Plan`.
        Raises: `ParameterError`, one line, for a wrong value and for a corpus that cannot be had.
        """
        folder = checks.folder("runs_dir", runs_dir) or default_runs_dir()
        check_tracker(tracker)
        _check_notebook(grid)
        console = console or Terminal()
        engine = engine_for(len(grid.runs))
        texts = dict.fromkeys((run.corpus, run.vocabulary) for run in grid.runs)
        prints = {text: load_corpus(*text, log=console.print).fingerprint for text in texts}
        jobs, stages = [], []
        for run in grid.runs:
            where = prints[run.corpus, run.vocabulary], engine.kind, engine.precision, strict
            facts = {"where": where[1:], "threads": engine.threads}
            stages.append(stage1_name(run, where[0], facts))
            job = Job(
                config=run,
                identity=run.identity(*where),
                runs_dir=folder.absolute(),
                device=engine.kind,
                precision=engine.precision,
                strict=strict,
                threads=engine.threads,
                notebook=grid.notebook,
                tracker=tracker,
            )
            jobs.append(job)
        found = {job.identity: job.found() for job in jobs}
        shared = share(jobs, stages, found)
        names = {job.identity: name for job, name in zip(jobs, stages, strict=True)}
        return cls(shared, engine, found, console, names)

    @property
    def pending(self) -> list[Job]:
        """The jobs that are neither complete nor diverged, in order; those that wait come last."""
        left = [job for job in self.jobs if self.found[job.identity].status not in FINISHED]
        return sorted(left, key=lambda job: job.waits)

    def run(self) -> list[tuple[Job, Outcome]]:
        """Do what is not done yet; every job with its outcome.

        A job that fails does not stop the others.
        """
        self._print(f"{self._title()}: {self.engine}.")
        if self.jobs[0].notebook:
            self._print(f"Executed for each run: {self.jobs[0].notebook}")
        for line in (*self.sharing(), *self._logged()):
            self._print(line)
        with self.progress_table() as table:
            outcomes, finish = self._watched_by(table)
            self.engine.run(self.pending, table.listen, finish)
        return [(job, outcomes[job.identity]) for job in self.jobs]

    async def work(self, watch: Watch) -> list[tuple[Job, Outcome]]:
        """As `run`, on the event loop of the caller and with another watch; needs a `Pool`."""
        assert isinstance(self.engine, Pool)
        outcomes, finish = self._watched_by(watch)
        await self.engine.work(self.pending, watch.listen, finish)
        return [(job, outcomes[job.identity]) for job in self.jobs]

    def _watched_by(self, watch: Watch) -> tuple[dict[str, Outcome], Finish]:
        """The outcomes by identity, which the second, an engine's `finish`, completes."""
        outcomes = dict(self.found)
        for job in self.jobs:
            found = outcomes[job.identity]
            if found.status in FINISHED:
                watch.finish(job, found, "loaded" if found.status == "complete" else "")

        def finish(job: Job, reason: str) -> None:
            outcomes[job.identity] = job.ended(reason)
            self._drop_stage1(job, outcomes)
            watch.finish(job, outcomes[job.identity])

        return outcomes, finish

    def _drop_stage1(self, job: Job, outcomes: Mapping[str, Outcome]) -> None:
        """Forget a Stage 1 once all jobs that have it are finished."""
        name = self.stages.get(job.identity)
        group = [identity for identity, other in self.stages.items() if other == name]
        if name and all(outcomes[identity].status in FINISHED for identity in group):
            SharedStage1(job.runs_dir, name).drop()

    def progress_table(self, console: Terminal | None = None) -> SweepTable:
        """What shows these jobs while they are done."""
        engine = self.engine
        return SweepTable(self.jobs, engine.workers, engine.parallel, console or self.console)

    def sharing(self) -> list[str]:
        """A line for each Stage 1 that several jobs share."""
        names: dict[str, list[str]] = {}
        for job in self.pending:
            if job.stage1:
                names.setdefault(job.stage1, []).append(job.config.label())
        return [f"Stage 1 is the same, and trained once: {'; '.join(n)}." for n in names.values()]

    def _logged(self) -> list[str]:
        tracker = self.jobs[0].tracker
        where = logs(tracker, self.jobs[0].runs_dir)
        return [] if tracker == NO_TRACKER else [f"Logged by {tracker} in {where}"]

    def dry_run(self) -> None:
        """Print what is there and how long the rest takes, by a measurement; no run is begun."""
        self.console.print(self._table())
        for line in (*self.sharing(), *self.estimate()):
            self._print(line)

    def estimate(self) -> list[str]:
        """How long the rest takes, in lines: measured now, with as many at once as it will have.

        Raises: `EstimateError`.
        """
        pending, engine = self.pending, self.engine
        if not pending:
            return ["Nothing is left to do."]
        # Of a cluster only this machine can be measured.
        here = engine.pool_here(len(self.jobs)) if isinstance(engine, RayCluster) else engine
        speeds = measure_speed(pending, here.devices[: here.parallel])
        seconds = [
            speeds[size(job.config)].seconds(job, begins(job, self.found[job.identity]))
            for job in pending
        ]
        total = duration(time_left([], seconds, engine.workers, engine.parallel))
        configs = {size(job.config): job.config for job in pending}
        return [
            f"About {total} for {len(pending)} of {len(self.jobs)} runs: {engine}.",
            *(
                f"Hidden {c.hidden}, {c.vocabulary} tokens: {speeds[at]}"
                for at, c in configs.items()
            ),
            f"Measured just now on this machine: {here.parallel} processes at once, "
            f"{here.threads} thread(s) each, 10 updates and one evaluation at each size "
            "after a warm-up. Checkpoints are counted in; notebooks, and whatever else the "
            "machine does later, are not.",
        ]

    def _table(self) -> Table:
        table = Table(title=self._title(), title_justify="left")
        for column in ("arm", "hidden", "steps", "seed", "corpus", "found"):
            table.add_column(column, overflow="fold")
        for job in self.jobs:
            c, found = job.config, self.found[job.identity]
            at = f" at step {found.step}" if found.status in ("interrupted", "failed") else ""
            reason = f" ({found.reason})" if found.reason else ""
            numbers = (str(c.hidden), str(c.steps), str(c.seed))
            table.add_row(c.arm, *numbers, c.corpus, f"{found.status}{at}{reason}")
        return table

    def _title(self) -> str:
        count = len(self.jobs)
        return f"{count} run{'s' * (count > 1)} in {self.jobs[0].runs_dir}"

    def _print(self, line: str) -> None:
        self.console.print(line, soft_wrap=True)


def _check_notebook(grid: Grid) -> None:
    """Refuse a notebook that cannot be told what names the runs, and would train others."""
    if not grid.notebook:
        return
    known = check_notebook(grid.notebook)
    for run in grid.runs:
        # Not told a scale, a notebook has that of the machine.
        scales = [scale_of(run) or FULL] if "scale" in known else SCALES.values()
        untold = {name: {getattr(scale, name) for scale in scales} for name in SIZES}
        untold |= {name: {getattr(RunConfig, name)} for name in DEFAULTS}
        for name, values in untold.items():
            if name not in known and values != {getattr(run, name)}:
                allowed = f"{grid.notebook.name} has no such parameter, and would train another run"
                raise checks.ParameterError(name, getattr(run, name), allowed)


def failures(outcomes: Sequence[tuple[Job, Outcome]]) -> list[str]:
    """A line for each job that is not complete."""
    return [
        f"{job.config.label()}: {outcome.status}: {outcome.reason}"
        for job, outcome in outcomes
        if outcome.status != "complete"
    ]
