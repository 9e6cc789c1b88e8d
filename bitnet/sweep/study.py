"""A study: the runs of a plan trained side by side on this machine."""

from collections.abc import Sequence

from bitnet.checks import OneLineError
from bitnet.runs.grid import Grid
from bitnet.runs.history import History
from bitnet.runs.plan import Plan
from bitnet.sweep.job import Job, Outcome
from bitnet.sweep.pool import Pool, cores
from bitnet.sweep.runner import FINISHED, Runner, failures
from bitnet.terminal import Terminal

__all__ = ["StudyError", "histories", "prepare", "train"]


class StudyError(OneLineError, RuntimeError):
    """A run of a study could not be trained to its end; the message names it and says why."""


def prepare(plan: Plan, workers: int | None = None, console: Terminal | None = None) -> Runner:
    """What is on disk of a plan, and the processes that will train the rest; nothing is begun.

    On a CPU up to two runs a core go at once, so that no core is idle while the last is trained; on
    CUDA one a GPU, unless `workers` says otherwise. Raises: `ParameterError`.
    """

    def engine(jobs: int) -> Pool:
        at_once = jobs if plan.backend.device.type == "cpu" and jobs <= 2 * cores() else None
        chosen = at_once if workers is None else workers
        return Pool(jobs, chosen, plan.device, plan.backend.precision)

    grid = Grid(plan.runs)
    return Runner.prepare(grid, engine, plan.runs_dir, console, plan.strict, plan.tracker)


def train(runner: Runner) -> list[History]:
    """Train what is left, and return the histories in the order of the plan.

    Raises: `StudyError` where a run did not get to its end.
    """
    return histories(runner.run())


def histories(outcomes: Sequence[tuple[Job, Outcome]]) -> list[History]:
    """The histories of finished jobs; one that diverged is a result too.

    Raises: `StudyError` where a run did not get to its end.
    """
    unfinished = [pair for pair in outcomes if pair[1].status not in FINISHED]
    if unfinished:
        raise StudyError("; ".join(failures(unfinished)))
    return [History.load(job.runs_dir / job.identity) for job, _ in outcomes]
