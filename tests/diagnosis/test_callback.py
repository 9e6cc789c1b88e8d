"""The callback in a Trainer of transformers: values in its own log, and nothing of it lost."""

import pytest
import torch
from torch.utils.data import Dataset

import bitnet
from benchmarks.models import gpt2

pytestmark = pytest.mark.long("transformers")


class Windows(Dataset):
    def __init__(self, ids):
        self.rows = ids[: len(ids) // 32 * 32].view(-1, 32)

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        return {"input_ids": self.rows[i], "labels": self.rows[i]}


def trained(folder, texts, watched, decay=None):
    """A trainer after its training, and what its loggers heard; Adam with a decay, if it is given.

    Else the Trainer's own AdamW.
    """
    from transformers import Trainer, TrainerCallback, TrainingArguments

    class Listener(TrainerCallback):
        """What loggers such as TensorBoard's are: they are told of every log."""

        def __init__(self):
            self.heard = []

        def on_log(self, args, state, control, logs=None, **kwargs):
            self.heard.append((state.global_step, dict(logs)))

    torch.manual_seed(0)
    model = gpt2()
    optimizer = None if decay is None else torch.optim.Adam(model.parameters(), weight_decay=decay)
    arguments = TrainingArguments(
        str(folder), max_steps=20, per_device_train_batch_size=8, learning_rate=5e-3, use_cpu=True,
        logging_steps=5, save_strategy="no", report_to="none", disable_tqdm=True,
        optim="adamw_torch", weight_decay=0.1,
    )  # fmt: skip
    listener = Listener()
    trainer = Trainer(
        model, arguments, train_dataset=Windows(texts[0]), callbacks=[listener],
        optimizers=(optimizer, None),
    )  # fmt: skip
    if watched:
        callback = bitnet.DiversityCallback(trainer, texts[1], every=5, positions=64)
        trainer.add_callback(callback)
    trainer.train()
    return trainer, listener.heard


@pytest.fixture(scope="module")
def both(tmp_path_factory, texts):
    folder = tmp_path_factory.mktemp("trainer")
    return [trained(folder, texts, watched) for watched in (True, False)]


def test_values_are_in_the_log_of_the_trainer_and_reach_its_loggers(both):
    trainer, heard = both[0]
    logged = [row for row in trainer.state.log_history if "diversity/unique_tokens" in row]
    assert [row["step"] for row in logged] == [2, 5, 10, 15, 20]  # 2: an early warning is due
    assert {"diversity/val_loss", "diversity/down", "diversity/early_warning"} <= set(logged[0])
    assert all(isinstance(value, float) for key, value in logged[0].items() if "/" in key)
    assert [step for step, logs in heard if "diversity/down" in logs] == [2, 5, 10, 15, 20]


def test_the_trainer_logs_and_trains_as_without_it(both):
    (seen, heard), (plain, heard_plain) = both

    def losses(found):
        return [(step, logs["loss"]) for step, logs in found if "loss" in logs]

    assert losses(heard) == losses(heard_plain)
    assert [step for step, _ in losses(heard)] == [5, 10, 15, 20]
    for name, value in plain.model.state_dict().items():
        assert torch.equal(value, seen.model.state_dict()[name]), name


def test_the_watch_is_kept_on_the_callback(both):
    trainer, _ = both[0]
    (callback,) = [c for c in trainer.callback_handler.callbacks if hasattr(c, "watch")]
    assert len(callback.watch.looks) == 5
    assert trainer.state.log_history[-1]["train_loss"] > 0


def test_the_trainer_s_optimizer_is_looked_at(tmp_path, texts, capsys):
    trained(tmp_path, texts, watched=True, decay=0.1)
    assert "warning: Adam with weight_decay=0.1 adds the decay to the gradient" in (
        capsys.readouterr().out
    )
