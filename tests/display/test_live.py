"""Live training: who looks on, and a worker that stops, resumes and fails in the open.

Events synchronise, not clocks.
"""

import asyncio
import functools
import threading

import pytest

from bitnet import Plan, Record, Trainer, execute
from bitnet.display.live import LiveTraining, NotFinished, someone_looks_on
from bitnet.display.live_view import LiveView
from bitnet.display.tables import marked
from bitnet.evaluation.measures import MEASURES
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

    @functools.wraps(record)
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


async def stopped(training):
    """Wait until the worker has ended; what waits for the result goes on waiting."""
    await asyncio.wait_for(asyncio.to_thread(training.thread.join), PATIENCE)


def stopped_at_the_gate(corpus, folder, gate, stop=LiveTraining.stop, begun=None):
    training = begun or started(folder, corpus)
    assert gate.reached.wait(PATIENCE)
    assert training.training
    stop(training)
    gate.opened.set()
    asyncio.run(stopped(training))
    assert not training.training
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

    def load(name, log):
        asked.append(name)
        return corpus

    monkeypatch.setattr("bitnet.runs.plan.load_corpus", load)
    assert all(h.complete for h in result(started(finished_runs, None, live)))
    assert asked == ["wikipedia-sample"]


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
    losses, counts = view.figure.data[::2], view.figure.data[1::2]
    names = ["l2-0.0", "adamw-0.0"]
    assert [line.name for line in losses] == [line.name for line in counts] == names
    for loss, count, history in zip(losses, counts, histories, strict=True):
        assert loss.x[-1] == 24
        assert dict(zip(loss.x, loss.y, strict=True))[12] == pytest.approx(
            history.at(12)["loss"], abs=1e-4
        )
        assert list(count.x) == history.measures.step.tolist()
        assert list(count.y) == history.measures.unique_tokens.tolist()
        assert list(count.customdata) == history.states.tolist()
    assert view.bar.value == view.bar.max == 48
    assert view.text.value == "finished: l2-0.0 complete, adamw-0.0 complete"
    assert view.stop_button.disabled
    assert view.resume_button.disabled


def test_the_view_tells_of_every_arm_and_evaluation_in_words(corpus, tmp_path):
    histories = result(training := started(tmp_path, corpus))
    for history in histories:
        row = history.rows()[-1]
        tokens = MEASURES["unique_tokens"].text(row["unique_tokens"])
        said = marked(history.snapshot_at().continuations[0])
        for cell in (history.config.arm, "24 of 24 (complete)", history.states.iloc[-1], tokens,
                     MEASURES["val_loss"].text(row["val_loss"]), said):  # fmt: skip
            assert cell in training.view.table.value
    rows = training.view.evaluations.value.count("<tr>") - 1
    assert rows == sum(len(history.measures) for history in histories)
    assert "nan" not in training.view.table.value
    switches_drawn = {(s.xref, s.x0) for s in training.view.figure.layout.shapes}
    assert switches_drawn == {("x", 12), ("x2", 12)}


def test_time_is_left_for_all_runs_and_not_only_for_the_one_that_runs(
    corpus, tmp_path, gate, monkeypatch
):
    """10 steps a record and as many seconds: 20 of 48 are done, and 28 are left."""
    seconds = iter(range(0, 10**6, 10))
    monkeypatch.setattr("bitnet.display.live_view.time.monotonic", lambda: next(seconds))
    gate.at = ("l2-0.0", 20)
    view = LiveView(plan_in(tmp_path).runs, print, print)
    config, other = view.runs
    view.seen[config].status = "training"
    view.began_training()
    for step in (10, 20):
        LiveView.record.__wrapped__(view, config, Record(step, 7.0, 1e-3, 0.1))
    assert "step 20 of 24, loss 7.000; about 28 s left for all 2 runs" in view.text.value
    view.seen[other].status = "complete"
    LiveView.record.__wrapped__(view, config, Record(22, 7.0, 1e-3, 0.1))
    assert view.text.value.endswith("; about 3 s left for all 2 runs")


def test_finished_runs_are_shown_when_they_are_loaded(corpus, finished_runs, uninterrupted):
    training = started(finished_runs, corpus)
    result(training)
    for count, history in zip(training.view.figure.data[1::2], uninterrupted, strict=True):
        assert list(count.x) == history.measures.step.tolist()
    assert training.view.table.value.count("24 of 24 (complete)") == 2


def test_what_was_seen_is_told_to_a_page_that_asks_again(corpus, finished_runs):
    """As JupyterLab asks for the state of every widget when a page is loaded again."""
    training = started(finished_runs, corpus)
    result(training)
    told = training.view.figure.get_state()["_widget_data"]
    assert [list(line["x"]) for line in told] == [list(t.x) for t in training.view.figure.data]
    assert all(len(line["x"]) > 0 for line in told)


def test_at_the_end_a_picture_takes_the_place_of_the_view_wherever_it_is_shown(
    corpus, finished_runs, monkeypatch
):
    class Handle:
        def __init__(self):
            self.got = []

        def update(self, content, raw=False):
            self.got.append(content if raw else content.data)

    places = []

    def show(view):
        places.append((Handle(), Handle()))
        view.handles.append(places[-1])

    monkeypatch.setattr(LiveView, "show", show)
    training = started(finished_runs, corpus)
    training.show()
    monkeypatch.setattr("plotly.io.renderers.default", "plotly_mimetype")
    result(training)
    assert len(places) == 2
    for figure, table in places:
        (bundle,) = figure.got
        lines = bundle["application/vnd.plotly.v1+json"]["data"]
        assert len(lines) == 4
        assert table.got == [training.view.table.value]


def test_stopped_and_resumed_it_ends_bit_for_bit_as_if_never_stopped(
    corpus, tmp_path, gate, uninterrupted
):
    training = stopped_at_the_gate(corpus, tmp_path, gate)
    assert "Resume continues" in training.view.text.value
    training.resume()
    histories = result(training)
    assert all(same(a, b) for a, b in zip(histories, uninterrupted, strict=True))
    steps = list(training.view.figure.data[2].x)
    assert steps == sorted(set(steps))  # no step drawn twice


def test_the_cell_that_waits_goes_on_by_itself_after_stop_and_resume(
    corpus, tmp_path, gate, uninterrupted
):
    async def cell(training):
        waiting = asyncio.create_task(training.finished())
        await asyncio.to_thread(gate.reached.wait, PATIENCE)
        training.view.stop_button.click()
        gate.opened.set()
        await stopped(training)
        for _ in range(3):  # turns of the loop in which it could end
            await asyncio.sleep(0)
        assert not waiting.done()
        training.view.resume_button.click()
        return await waiting

    training = started(tmp_path, corpus)
    histories = asyncio.run(asyncio.wait_for(cell(training), PATIENCE))
    assert all(same(a, b) for a, b in zip(histories, uninterrupted, strict=True))


def test_a_view_of_another_session_has_what_was_seen_before(corpus, tmp_path, gate):
    """The kernel was restarted: a new object, the same folders."""
    stopped_at_the_gate(corpus, tmp_path, gate)
    again = LiveTraining(plan_in(tmp_path), corpus, True)
    seen = []
    record = LiveView.record

    def first(view, config, found):
        seen.append([list(line.x) for line in view.figure.data[1::2]])
        record(view, config, found)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LiveView, "record", first)
        again.start()
        result(again)
    assert seen[0][0] == [1, 4, 12, 16, 18, 24]  # the first arm was finished
    assert seen[0][1] == [1, 4]  # and the second was stopped at step 10


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
    training.show()
    assert shown == [view] * 3
    stopped_at_the_gate(corpus, tmp_path, gate, begun=training)


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
    stopped_at_the_gate(corpus, tmp_path, gate, begun=training)


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
