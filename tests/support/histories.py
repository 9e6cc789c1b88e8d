"""Made-up histories whose answer is known: constant measures in each stage."""

import pandas as pd

from bitnet import History, RunConfig
from bitnet.schedule import evaluation_steps

REFERENCES = {
    "ln_vocabulary": 10.825, "unigram_loss": 7.7, "unique_tokens_ceiling": 4123.0,
    "unique_predictions_ceiling": 20.0, "human_unique_tokens": 1917.0, "human_seq_rep_4": 0.03,
}  # fmt: skip
HEALTHY = {
    "unique_predictions": 4, "unique_tokens": 400, "effective_tokens": 60.0, "top1_share": 0.1,
    "context_information": 2.0, "predictive_entropy": 5.0, "val_loss": 5.5, "seq_rep_4": 0.2,
}  # fmt: skip
DEAD = {
    "unique_predictions": 19, "unique_tokens": 900, "effective_tokens": 300.0, "top1_share": 0.05,
    "context_information": 0.0, "predictive_entropy": 10.82, "val_loss": 10.82, "seq_rep_4": 0.9,
}  # fmt: skip
ONE_TOKEN = DEAD | {
    "unique_predictions": 1,
    "unique_tokens": 1,
    "top1_share": 1.0,
    "predictive_entropy": 6.0,
    "val_loss": 9.0,
}


def history(
    arm,
    *,
    hidden=256,
    steps=20_000,
    seed=0,
    stage1=HEALTHY,
    stage2=HEALTHY,
    last=None,
    status="complete",
    until=None,
    **named,
):
    """A run with constant measures in each stage."""
    config = RunConfig(arm, hidden=hidden, steps=steps, seed=seed, **named)
    rows = [
        {"step": step, "loss": 7.0, "lr": 1e-3, "wd": 0.1}
        | (last if last and step == steps else stage1 if step <= steps // 2 else stage2)
        for step in evaluation_steps(steps)
        if step <= (until or steps)
    ]
    return History(config, status, pd.DataFrame(rows), dict(REFERENCES))


MINIATURE = {"hidden": 64, "vocabulary": 4096, "batch_size": 8, "steps": 6000}
BROKEN = history("l2-0.05", stage1=DEAD, stage2=DEAD)
