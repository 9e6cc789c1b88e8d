"""Which jobs of a sweep share their Stage 1, so that it is trained once."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bitnet.runs.stage1 import SharedStage1
from bitnet.schedule import stage_boundary
from bitnet.sweep.job import FINISHED, Event, Job, Outcome

__all__ = ["begins", "share", "switched"]


def share(jobs: Sequence[Job], names: Sequence[str], found: Mapping[str, Outcome]) -> list[Job]:
    """The jobs, those that can share a Stage 1 told so; `names` are those of their Stages 1.

    A job that has not begun takes a Stage 1 that is kept, or waits for the job that is furthest
    with it. What has begun goes on by itself, and what is finished leads nobody. `found` is what is
    on disk, by identity.
    """
    result, steps = list(jobs), [found[job.identity].step for job in jobs]
    left = [found[job.identity].status not in FINISHED for job in jobs]
    for name in dict.fromkeys(names):
        group = [at for at, other in enumerate(names) if other == name and left[at]]
        fresh = [at for at in group if steps[at] == 0]
        leads = [at for at in group if steps[at] < _switch(jobs[at])]
        if fresh and SharedStage1(jobs[fresh[0]].runs_dir, name).kept:
            lead, waiting = None, []
        elif len(leads) > 1:
            lead = max(leads, key=lambda at: steps[at])
            waiting = [at for at in fresh if at != lead]
        else:
            continue
        if waiting or lead is None:
            for at in {*fresh, *([] if lead is None else [lead])}:
                result[at] = replace(jobs[at], stage1=name, waits=at in waiting)
    return result


def begins(job: Job, found: Outcome) -> int:
    """The update after which the worker of a job begins."""
    fresh = bool(job.stage1) and found.step == 0
    takes = fresh and (job.waits or SharedStage1(job.runs_dir, job.stage1).kept)
    return _switch(job) if takes else found.step


def switched(job: Job, event: Event) -> bool:
    """Whether this tells that a job is through its Stage 1, which is kept by then."""
    return event["event"] == "progress" and event["step"] >= _switch(job)


def _switch(job: Job) -> int:
    return stage_boundary(job.config.steps)
