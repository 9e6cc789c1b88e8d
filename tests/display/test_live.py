"""Live training: who looks on, and a worker that stops, resumes and fails in the open.

Events synchronise, not clocks.
"""

import asyncio
import threading

import pytest

from bitnet import Plan, Trainer, execute
from bitnet.display.live import LiveTraining, LiveView, NotFinished, someone_looks_on
from tests.support.corpus import ON_CORPUS, VOCABULARY
from tests.support.equality import same

PATIENCE = 120  # seconds until a worker that never answers fails its test


@pytest.fixture(autouse=True)
def nobody_looks_on(monkeypatch):
    for name in ("JPY_SESSION_NAME", "VSCODE_PID", "BITNET_LIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(LiveView, "show", lambda self: None)


def plan_in(folder):
    return Plan(
        hidden=16,
        steps=24,
        arms="l2-0.0,adamw-0.0",
        device="cpu",
        **ON_CORPUS,
        precision="float32",
        eval_every=12,
        probe_positions=62,
        runs_dir=folder,
    )


@pytest.fixture(scope="module")
def uninterrupted(corpus, tmp_path_factory):
    return execute(plan_in(tmp_path_factory.mktemp("plain")), corpus, log=lambda line: None)


@pytest.fixture
def finished_runs(uninterrupted):
    """A folder in which nothing is left to train."""
    return uninterrupted[0].folder.parent


@pytest.fixture
def gate(monkeypatch):
    """Holds the worker in the record of a step of an arm, once `reached`, until it is `opened`."""

    class Gate:
        reached, opened = threading.Event(), threading.Event()
        at = ("adamw-0.0", 10)

    record = LiveView.record

    def held(self, config, found):
        record(self, config, found)
        if (config.arm, found.step) == Gate.at:
            Gate.reached.set()
            assert Gate.opened.wait(PATIENCE)

    monkeypatch.setattr(LiveView, "record", held)
    yield Gate
    Gate.opened.set()


def started(folder, corpus, live=True):
    training = LiveTraining(plan_in(folder), corpus, live)
    training.start()
    return training


def result(training):
    return asyncio.run(asyncio.wait_for(training.finished(), PATIENCE))


def stopped_at_the_gate(corpus, folder, gate, stop=LiveTraining.stop):
    training = started(folder, corpus)
    assert gate.reached.wait(PATIENCE)
    assert training.training
    stop(training)
    gate.opened.set()
    with pytest.raises(NotFinished, match="press Resume"):
        result(training)
    return training


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({"JPY_SESSION_NAME": "/a.ipynb"}, True),
        ({"VSCODE_PID": "7"}, True),
        ({"BITNET_LIVE": "1"}, True),
        ({"BITNET_LIVE": "0", "JPY_SESSION_NAME": "/a.ipynb"}, False),
        ({"BITNET_LIVE": "", "VSCODE_PID": "7"}, True),
    ],
    ids=str,
)
def test_who_looks_on_is_known_from_the_environment(monkeypatch, environment, expected):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert someone_looks_on() is expected


@pytest.mark.parametrize("live", [True, False])
def test_a_training_that_is_only_created_does_nothing(corpus, tmp_path, monkeypatch, live):
    """No thread, no view, no text, no run, no file; `finished` says what is missing."""
    shown = []
    monkeypatch.setattr(LiveView, "show", lambda view: shown.append(view))
    monkeypatch.setattr("bitnet.runs.plan.load_corpus", lambda *_, **__: pytest.fail("loaded"))
    monkeypatch.setattr(Trainer, "__init__", lambda *_, **__: pytest.fail("trained"))
    before = set(threading.enumerate())
    training = LiveTraining(plan_in(tmp_path / "runs"), corpus, live)
    assert LiveTraining(plan_in(tmp_path / "runs"), live=live).corpus is None
    assert set(threading.enumerate()) <= before
    assert not training.training
    assert training.view is None
    assert shown == training.histories == []
    assert list(tmp_path.iterdir()) == []
    training.resume()  # nothing to resume
    assert set(threading.enumerate()) <= before
    with pytest.raises(NotFinished, match=r"not started; call start\(\) first"):
        result(training)


@pytest.mark.parametrize("live", [True, False])
def test_the_text_of_the_plan_is_loaded_where_none_is_given(
    corpus, finished_runs, monkeypatch, live
):
    asked = []

    def load(name, vocabulary, log):
        asked.append((name, vocabulary))
        return corpus

    monkeypatch.setattr("bitnet.runs.plan.load_corpus", load)
    assert all(h.complete for h in result(started(finished_runs, None, live)))
    assert asked == [("wikipedia-sample", VOCABULARY)]


def test_where_nobody_looks_on_it_is_plain_execution(corpus, tmp_path, uninterrupted):
    training = started(tmp_path, corpus, live=None)
    assert not training.live
    assert training.thread is None
    assert not training.training
    histories = result(training)
    assert [h.config for h in histories] == [h.config for h in uninterrupted]
    assert all(same(a, b) for a, b in zip(histories, uninterrupted, strict=True))


def test_the_environment_decides_unless_told(corpus, finished_runs, monkeypatch):
    monkeypatch.setenv("BITNET_LIVE", "1")
    training = started(finished_runs, corpus, live=None)
    assert training.live
    assert len(result(training)) == 2
    assert not started(finished_runs, corpus, live=False).live


def test_a_worker_trains_what_plain_execution_does_and_draws_it(corpus, tmp_path, uninterrupted):
    training = started(tmp_path, corpus)
    histories = result(training)
    assert all(same(a, b) for a, b in zip(histories, uninterrupted, strict=True))
    view = training.view
    assert [trace.name for trace in view.figure.data] == ["l2-0.0", "adamw-0.0"]
    for trace, history in zip(view.figure.data, histories, strict=True):
        assert trace.x[-1] == 24
        assert dict(zip(trace.x, trace.y, strict=True))[12] == pytest.approx(
            history.at(12)["loss"], abs=1e-4
        )
    assert view.bar.value == view.bar.max == 48
    assert view.text.value == "finished: l2-0.0 complete, adamw-0.0 complete"
    assert view.stop_button.disabled
    assert view.resume_button.disabled


def test_stopped_and_resumed_it_ends_bit_for_bit_as_if_never_stopped(
    corpus, tmp_path, gate, uninterrupted
):
    training = stopped_at_the_gate(corpus, tmp_path, gate)
    assert not training.training
    assert "Resume continues from here" in training.view.text.value
    training.resume()
    histories = result(training)
    assert all(same(a, b) for a, b in zip(histories, uninterrupted, strict=True))
    steps = list(training.view.figure.data[1].x)
    assert steps == sorted(set(steps))  # no step drawn twice


def test_the_buttons_do_what_they_say(corpus, tmp_path, gate, uninterrupted):
    def press_stop(training):
        assert not training.view.stop_button.disabled
        assert training.view.resume_button.disabled
        training.view.stop_button.click()
        assert training.view.text.value == "stopping ..."

    training = stopped_at_the_gate(corpus, tmp_path, gate, press_stop)
    assert training.view.stop_button.disabled
    assert not training.view.resume_button.disabled
    training.view.resume_button.click()
    assert all(same(a, b) for a, b in zip(result(training), uninterrupted, strict=True))


def test_started_again_it_shows_its_view_again_and_starts_no_second_worker(
    corpus, tmp_path, gate, monkeypatch
):
    shown, gate.at = [], ("l2-0.0", 10)
    monkeypatch.setattr(LiveView, "show", lambda view: shown.append(view))
    training = started(tmp_path, corpus)
    assert gate.reached.wait(PATIENCE)
    worker, view = training.thread, training.view
    training.start()
    assert training.thread is worker
    assert shown == [view, view]
    training.stop()
    gate.opened.set()
    with pytest.raises(NotFinished):
        result(training)


def test_resume_while_training_starts_no_second_worker(corpus, tmp_path, gate):
    training = started(tmp_path, corpus)
    assert gate.reached.wait(PATIENCE)
    worker = training.thread
    training.resume()
    assert training.thread is worker
    gate.opened.set()
    assert all(h.complete for h in result(training))


def test_the_waiting_cell_leaves_its_loop_free(corpus, tmp_path, gate):
    """Something else runs while the cell awaits; the worker is let go only by it."""

    async def cell(training):
        async def click():
            await asyncio.to_thread(gate.reached.wait, PATIENCE)
            gate.opened.set()

        histories, _ = await asyncio.gather(training.finished(), click())
        return histories

    training = started(tmp_path, corpus)
    assert all(h.complete for h in asyncio.run(asyncio.wait_for(cell(training), PATIENCE)))


def test_an_interrupt_of_the_waiting_cell_stops_the_worker(corpus, tmp_path, gate):
    async def cell(training):
        waiting = asyncio.create_task(training.finished())
        await asyncio.sleep(0)  # so that it has begun to wait
        waiting.cancel()
        await waiting

    training = started(tmp_path, corpus)
    assert gate.reached.wait(PATIENCE)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cell(training))
    assert training.stopping.is_set()
    gate.opened.set()
    with pytest.raises(NotFinished):
        result(training)


def test_runs_of_which_none_came_to_an_evaluation_are_one_line(corpus, tmp_path, monkeypatch):
    def fail(self, step):
        raise MemoryError("of this machine")

    monkeypatch.setattr(Trainer, "update", fail)
    with pytest.raises(NotFinished, match=r"first evaluation \(MemoryError: of this machine\)"):
        result(started(tmp_path, corpus, live=False))


def test_an_error_in_the_worker_is_raised_in_the_cell_that_waits(corpus, tmp_path, monkeypatch):
    record = LiveView.record

    def broken(self, config, found):
        if found.step == 12:
            raise ZeroDivisionError("of the worker")
        record(self, config, found)

    monkeypatch.setattr(LiveView, "record", broken)
    training = started(tmp_path, corpus)
    with pytest.raises(ZeroDivisionError, match="of the worker"):
        result(training)
    assert training.view.text.value == "ZeroDivisionError: of the worker"
    assert not training.view.resume_button.disabled
    monkeypatch.setattr(LiveView, "record", record)
    training.resume()
    assert all(h.complete for h in result(training))
