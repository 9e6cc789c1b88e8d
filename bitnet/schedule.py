"""Learning rate, weight decay and the steps that matter, as functions of the update t = 1..T."""

__all__ = [
    "SCHEDULES",
    "evaluation_steps",
    "learning_rate",
    "milestones",
    "stage_boundary",
    "warmup_steps",
    "weight_decay",
]

SCHEDULES = ("two-stage", "linear")
MAX_WARMUP = 375
EVALUATIONS = 20  # evenly spaced ones, when no cadence is asked for


def warmup_steps(total: int) -> int:
    """Updates of linear warm-up: 375, or an eighth of a run shorter than 3000."""
    return min(MAX_WARMUP, total // 8)


def stage_boundary(total: int) -> int:
    """The last update of Stage 1; decay and the slope of the learning rate change after it."""
    return total // 2


def learning_rate(step: int, total: int, peak: float, schedule: str = "two-stage") -> float:
    """The rate of update `step`: peak * t / w during warm-up, then down, over the whole run.

    "two-stage", the brief's, is continuous: linear from peak to 2/3 peak at the boundary, then
    linear to peak / 1000 at T (BitNet b1.58 training tips, section 2). "linear" is linear from peak
    to zero behind the last update (Bergsma et al. 2025).
    """
    warmup, boundary = warmup_steps(total), stage_boundary(total)
    if step < warmup:
        return peak * step / warmup
    if schedule == "linear":
        return _between(step, warmup, total + 1, peak, 0.0)
    middle, last = peak * 2 / 3, peak / 1000
    if step <= boundary:
        return _between(step, warmup, boundary, peak, middle)
    return _between(step, boundary, total, middle, last)


def weight_decay(step: int, total: int, stage1: float, stage2: float) -> float:
    """The decay coefficient of update `step`: `stage1` up to the boundary, `stage2` after it."""
    return stage1 if step <= stage_boundary(total) else stage2


def milestones(total: int) -> dict[str, int]:
    """The plan's milestones, placed relative to this run's own stage switch.

    The plan names steps 5k and 6k, which were the switch of a 10k run and 1k after it. A run too
    short for an offset of 1000 steps takes a fifth of its length instead.
    """
    offset, boundary = min(1000, max(1, total // 5)), stage_boundary(total)
    return {
        "early in Stage 1": offset,
        "end of Stage 1": boundary,
        "after the switch": min(boundary + offset, total),
        "middle of Stage 2": (boundary + total) // 2,
        "last step": total,
    }


def evaluation_steps(total: int, every: int = 0) -> tuple[int, ...]:
    """The updates after which a run is evaluated: the first, every `every`-th, and the milestones.

    `every=0` means 20 in all, besides the others.
    """
    every = every or max(1, total // EVALUATIONS)
    return tuple(sorted({1, *range(every, total + 1, every), *milestones(total).values()}))


def _between(x: int, x0: int, x1: int, y0: float, y1: float) -> float:
    return y0 + (y1 - y0) * (x - x0) / max(1, x1 - x0)
