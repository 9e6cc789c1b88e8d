"""Live training: who looks on, and workers that are stopped, resumed and fail in the open.

Events synchronise, not clocks: a worker held at step 16 stands still until it is let go.
"""

import asyncio

import pytest

from bitnet import Plan, execute
from bitnet.display.live import LiveTraining, NotFinished, someone_looks_on
from bitnet.display.live_view import LiveView
from bitnet.display.tables import marked
from bitnet.evaluation.measures import MEASURES
from bitnet.records import Diverged
from bitnet.sweep.estimate import EstimateError, Speed, size
from bitnet.sweep.pool import Pool
from bitnet.sweep.study import StudyError
from bitnet.train import Trainer
from tests.support.equality import same
from tests.support.mishaps import command, train_held, train_with_an_error
from tests.support.text import write_lines

PATIENCE = 240  # seconds until a worker that never answers fails its test
ARMS = ("l2-0.0", "adamw-0.0")
HELD = 16  # the step at which a worker of `train_held` stands still


@pytest.fixture(autouse=True)
def nobody_looks_on(monkeypatch):
    for name in ("JPY_SESSION_NAME", "VSCODE_PID", "BITNET_LIVE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module", autouse=True)
def text(tmp_path_factory):
    """The path of the text, whose tokens are cached beside it."""
    folder = tmp_path_factory.mktemp("text")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BITNET_CACHE", str(folder / "cache"))
        patch.setattr(LiveView, "show", lambda view: None)
        yield write_lines(folder / "lines.txt")


@pytest.fixture(scope="module")
def plan_in(text):
    """A function: the plan of these tests in a folder."""

    def build(folder, *arms):
        return Plan(
            hidden=16, steps=24, arms=arms or ARMS, corpus=str(text), device="cpu",
            precision="float32", eval_every=12, probe_positions=62, vocabulary=300,
            runs_dir=folder,
        )  # fmt: skip

    return build


@pytest.fixture(scope="module")
def uninterrupted(plan_in, tmp_path_factory):
    return execute(plan_in(tmp_path_factory.mktemp("plain")), log=lambda line: None)


@pytest.fixture
def finished_runs(uninterrupted):
    """A folder in which nothing is left to train."""
    return uninterrupted[0].folder.parent


@pytest.fixture(scope="module")
def watched(plan_in, tmp_path_factory):
    """A training that someone has watched to its end, its histories, and what was logged."""
    lines = []

    class Logged(LiveView):
        def log(self, line):
            super().log(line)
            lines.append(line)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bitnet.display.live.LiveView", Logged)
        training = LiveTraining(plan_in(tmp_path_factory.mktemp("watched")), live=True)
        return training, to_its_end(training), lines


@pytest.fixture
def hold(tmp_path, monkeypatch):
    """Workers stand still at step 16 while this file is there."""
    (tmp_path / "hold").touch()
    monkeypatch.setattr(Pool, "command", command(train_held))
    return tmp_path / "hold"


class Seen(LiveView):
    """A view that knows when a worker has come to the step at which it is held."""

    def progress(self, config, step, loss):
        super().progress(config, step, loss)
        if step == HELD:
            self.held.set()


@pytest.fixture
def held(hold, plan_in, tmp_path, monkeypatch):
    """A function: start a training of the second arm, and wait until its worker is held."""
    monkeypatch.setattr("bitnet.display.live.LiveView", Seen)

    async def begin():
        training = LiveTraining(plan_in(tmp_path, "adamw-0.0"), live=True)
        Seen.held = asyncio.Event()
        training.start()
        await Seen.held.wait()
        assert training.training
        return training

    return begin


def within_patience(work):
    return asyncio.run(asyncio.wait_for(work, PATIENCE))


def to_its_end(training):
    """Start it, and wait for its histories, on an event loop of its own."""

    async def cell():
        training.start()
        return await training.finished()

    return within_patience(cell())


async def ended(training):
    """Wait until its workers have ended; what waits for the histories goes on waiting."""
    await asyncio.wait([training.task])
    await asyncio.sleep(0)


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
def test_a_training_that_is_only_created_does_nothing(plan_in, tmp_path, monkeypatch, capsys, live):
    """No worker, no view, no text, no file; `finished` says what is missing."""
    shown = []
    monkeypatch.setattr(LiveView, "show", lambda view: shown.append(view))
    monkeypatch.setattr("bitnet.sweep.runner.load_corpus", lambda *_, **__: pytest.fail("loaded"))
    monkeypatch.setattr(Pool, "work", lambda *_: pytest.fail("trained"))

    async def cell():
        training = LiveTraining(plan_in(tmp_path / "runs"), live)
        training.show()
        training.stop()  # nothing to stop
        assert len(asyncio.all_tasks()) == 1
        with pytest.raises(NotFinished, match=r"not started; call start\(\) first"):
            await training.finished()
        return training

    training = asyncio.run(cell())
    assert not training.training
    assert training.view is training.task is None
    assert shown == []
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("live", [True, False])
def test_outside_an_event_loop_one_line_names_what_trains_there(
    plan_in, tmp_path, monkeypatch, live
):
    monkeypatch.setattr(LiveView, "show", lambda view: pytest.fail("shown"))
    training = LiveTraining(plan_in(tmp_path / "runs"), live)
    with pytest.raises(NotFinished, match=r"^no event loop here; bitnet\.execute\(plan\) trains"):
        training.start()
    assert list(tmp_path.iterdir()) == []


def test_the_environment_decides_unless_told(plan_in, finished_runs, monkeypatch):
    assert not LiveTraining(plan_in(finished_runs)).live
    monkeypatch.setenv("BITNET_LIVE", "1")
    training = LiveTraining(plan_in(finished_runs))
    assert training.live
    assert len(to_its_end(training)) == 2
    assert training.view
    assert not LiveTraining(plan_in(finished_runs), live=False).live


def test_where_nobody_looks_on_lines_say_how_long_it_takes_and_how_far_it_is(
    plan_in, tmp_path, monkeypatch, capfd, uninterrupted
):
    def speeds(jobs, devices):
        return {size(job.config): Speed(1.0, 2.0, 3.0) for job in jobs}

    monkeypatch.setattr("bitnet.sweep.runner.measure_speed", speeds)
    training = LiveTraining(plan_in(tmp_path, "l2-0.0"))
    assert same(*to_its_end(training), uninterrupted[0])
    assert training.view is None
    lines = capfd.readouterr().out.splitlines()
    (estimate,) = [number for number, line in enumerate(lines) if line.startswith("About ")]
    assert "for 1 of 1 runs: 1 worker on this machine" in lines[estimate]
    rest = lines[estimate + 1 :]
    assert any(": training" in line for line in rest)
    assert ": complete" in rest[-1]


def test_a_speed_that_cannot_be_measured_does_not_keep_the_runs_from_training(
    plan_in, tmp_path, monkeypatch, capfd
):
    def broken(jobs, devices):
        raise EstimateError("the speed could not be measured (of this machine)")

    async def work(pool, jobs, listen, finish):
        for job in jobs:
            finish(job, "trained in no time")

    monkeypatch.setattr("bitnet.sweep.runner.measure_speed", broken)
    monkeypatch.setattr(Pool, "work", work)
    with pytest.raises(StudyError, match="trained in no time"):
        to_its_end(LiveTraining(plan_in(tmp_path, "l2-0.0")))
    assert "could not be measured (of this machine)\n" in capfd.readouterr().out


def test_finished_runs_are_loaded_and_need_no_measurement(
    plan_in, finished_runs, uninterrupted, monkeypatch, capfd
):
    monkeypatch.setattr("bitnet.sweep.runner.measure_speed", lambda *_: pytest.fail("measured"))
    monkeypatch.setattr(Pool, "command", ("no", "such", "command"))
    histories = to_its_end(LiveTraining(plan_in(finished_runs)))
    assert all(same(a, b) for a, b in zip(histories, uninterrupted, strict=True))
    assert capfd.readouterr().out.count(": loaded") == 2


def test_workers_train_what_plain_execution_does_and_the_view_draws_it(watched, uninterrupted):
    training, histories, _ = watched
    assert all(same(a, b) for a, b in zip(histories, uninterrupted, strict=True))
    view = training.view
    losses, counts = view.figure.data[::2], view.figure.data[1::2]
    assert [line.name for line in losses] == [line.name for line in counts] == list(ARMS)
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


def test_the_view_tells_of_every_arm_and_evaluation_in_words(watched):
    training, histories, lines = watched
    for history in histories:
        row = history.rows()[-1]
        tokens = MEASURES["unique_tokens"].text(row["unique_tokens"])
        said = marked(history.snapshot_at().continuations[0], history.vocabulary)
        for cell in (history.config.arm, "24 of 24 (complete)", history.states.iloc[-1], tokens,
                     MEASURES["val_loss"].text(row["val_loss"]), said):  # fmt: skip
            assert cell in training.view.table.value
        for snapshot in history.snapshots:
            said = marked(snapshot.continuations[0], history.vocabulary)
            assert said in training.view.evaluations.value
    rows = training.view.evaluations.value.count("<tr>") - 1
    assert rows == sum(len(history.measures) for history in histories)
    assert f"says after “{training.view.prompt}”" in training.view.table.value
    assert training.view.prompt
    assert "nan" not in training.view.table.value
    switches_drawn = {(s.xref, s.x0) for s in training.view.figure.layout.shapes}
    assert switches_drawn == {("x", 12), ("x2", 12)}
    assert any("left for all 2 runs" in line for line in lines)


def test_time_is_left_for_all_runs_and_not_only_for_the_one_that_runs(
    plan_in, tmp_path, monkeypatch
):
    """10 steps a record and as many seconds: 20 of 48 are done, and 28 are left."""
    seconds = iter(range(0, 10**6, 10))
    monkeypatch.setattr("bitnet.display.live_view.time.monotonic", lambda: next(seconds))
    view = LiveView(plan_in(tmp_path).runs, print, print)
    config, other = view.runs
    view.began_training()
    for step in (10, 20):
        view.progress(config, step, 7.0)
    assert "step 20 of 24, loss 7.00; about 28 s left for all 2 runs" in view.text.value
    view.seen[other].status = "stopped"  # in an earlier session; it will be resumed
    view.progress(config, 20, 7.0)
    assert view.text.value.endswith("; about 56 s left for all 2 runs")
    view.seen[other].status = "complete"
    view.progress(config, 22, 7.0)
    assert view.text.value.endswith("; about 5 s left for all 2 runs")


def test_finished_runs_are_shown_when_they_are_loaded(plan_in, finished_runs, uninterrupted):
    training = LiveTraining(plan_in(finished_runs), live=True)
    to_its_end(training)
    for count, history in zip(training.view.figure.data[1::2], uninterrupted, strict=True):
        assert list(count.x) == history.measures.step.tolist()
    assert training.view.table.value.count("24 of 24 (complete)") == 2


def test_what_was_seen_is_told_to_a_page_that_asks_again(watched):
    """As JupyterLab asks for the state of every widget when a page is loaded again."""
    figure = watched[0].view.figure
    told = figure.get_state()["_widget_data"]
    assert [list(line["x"]) for line in told] == [list(line.x) for line in figure.data]
    assert all(len(line["x"]) > 0 for line in told)


def test_at_the_end_a_picture_takes_the_place_of_the_view_wherever_it_is_shown(
    plan_in, finished_runs, monkeypatch
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

    async def cell(training):
        training.start()
        training.show()
        return await training.finished()

    monkeypatch.setattr(LiveView, "show", show)
    monkeypatch.setattr("plotly.io.renderers.default", "plotly_mimetype")
    training = LiveTraining(plan_in(finished_runs), live=True)
    within_patience(cell(training))
    assert len(places) == 2
    for figure, table in places:
        (bundle,) = figure.got
        lines = bundle["application/vnd.plotly.v1+json"]["data"]
        assert len(lines) == 4
        assert table.got == [training.view.table.value]


def test_stopped_and_resumed_by_its_buttons_it_ends_as_if_never_stopped_and_so_does_the_cell(
    held, hold, uninterrupted
):
    async def cell():
        training = await held()
        view, waiting = training.view, asyncio.create_task(training.finished())
        assert not view.stop_button.disabled
        assert view.resume_button.disabled
        view.stop_button.click()
        assert view.text.value == "stopping ..."
        view.stop_button.click()  # in impatience; it kills nobody
        await ended(training)
        assert not training.training
        assert view.stop_button.disabled
        assert not view.resume_button.disabled
        assert "Resume continues" in view.text.value
        (stopped,) = [job.found() for job in training_jobs(training)]
        assert (stopped.status, stopped.step) == ("interrupted", 10)
        hold.unlink()
        for _ in range(3):  # turns of the loop in which it could end
            await asyncio.sleep(0)
        assert not waiting.done()
        view.resume_button.click()
        assert training.training
        (history,) = await waiting
        return history, view

    history, view = within_patience(cell())
    assert same(history, uninterrupted[1])
    steps = list(view.figure.data[0].x)
    assert steps == sorted(set(steps))  # no step drawn twice
    assert steps[-1] == 24


def training_jobs(training):
    from bitnet.sweep.study import prepare

    return prepare(training.plan).jobs


def test_started_again_it_shows_its_view_again_and_starts_no_second_worker(held, hold, monkeypatch):
    """And the cell that waits leaves the loop free: the worker is let go only beside it."""
    shown, started = [], []
    monkeypatch.setattr(LiveView, "show", lambda view: shown.append(view))
    work = Pool.work
    monkeypatch.setattr(Pool, "work", lambda *of: started.append(of) or work(*of))

    async def cell():
        training = await held()
        task, view = training.task, training.view
        training.start()
        training.resume()
        assert training.task is task
        assert shown == [view, view]
        training.show()
        training._ipython_display_()
        assert shown == [view] * 4

        async def let_go():
            hold.unlink()

        histories, _ = await asyncio.gather(training.finished(), let_go())
        training.start()
        assert training.task is task
        return histories

    (history,) = within_patience(cell())
    assert history.complete
    assert len(started) == 1


def test_an_interrupt_of_the_waiting_cell_stops_the_workers_and_another_session_goes_on(
    held, hold, plan_in, tmp_path, uninterrupted
):
    async def cell():
        training = await held()
        waiting = asyncio.create_task(training.finished())
        await asyncio.sleep(0)  # so that it has begun to wait
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert not training.training
        (stopped,) = [job.found() for job in training_jobs(training)]
        assert (stopped.status, stopped.step) == ("interrupted", 10)

    within_patience(cell())
    hold.unlink()
    seen = []

    class First(LiveView):
        def progress(self, config, step, loss):
            seen.append([list(line.x) for line in self.figure.data[1::2]])
            super().progress(config, step, loss)

    with pytest.MonkeyPatch.context() as patch:  # the kernel was restarted: only the folder is left
        patch.setattr("bitnet.display.live.LiveView", First)
        (history,) = to_its_end(LiveTraining(plan_in(tmp_path, "adamw-0.0"), live=True))
    assert same(history, uninterrupted[1])
    assert seen[0][0][:3] == [1, 4, 12]


def test_stopped_before_its_first_turn_it_can_be_resumed(plan_in, finished_runs):
    async def cell():
        training = LiveTraining(plan_in(finished_runs), live=True)
        training.start()
        training.stop()
        await ended(training)
        assert training.view.stop_button.disabled
        assert not training.view.resume_button.disabled
        assert "Resume continues" in training.view.text.value
        training.view.resume_button.click()
        return await training.finished()

    assert len(within_patience(cell())) == 2


def test_where_there_is_no_button_a_stopped_training_is_not_waited_for(plan_in, finished_runs):
    async def cell():
        training = LiveTraining(plan_in(finished_runs), live=False)
        training.start()
        training.stop()
        with pytest.raises(NotFinished, match=r"^stopped; start\(\) goes on"):
            await training.finished()
        training.start()
        return await training.finished()

    assert len(within_patience(cell())) == 2


def test_a_run_that_fails_is_named_in_one_line_and_resume_tries_again(
    plan_in, text, tmp_path, monkeypatch, uninterrupted
):
    label = "adamw-0.0, hidden 16, vocabulary 300, 24 steps, seed 0"
    said = f"{label}, {text}: failed: LookupError: nobody foresaw this (all of it: "

    async def cell():
        training = LiveTraining(plan_in(tmp_path, "adamw-0.0"), live=True)
        with monkeypatch.context() as patch:
            patch.setattr(Pool, "command", command(train_with_an_error))
            training.start()
            with pytest.raises(StudyError) as error:
                await training.finished()
        assert str(error.value).startswith(said), str(error.value)
        assert "\n" not in str(error.value)
        assert training.view.text.value == f"StudyError: {error.value}"
        assert training.view.stop_button.disabled
        training.view.resume_button.click()
        return await training.finished()

    (history,) = within_patience(cell())
    assert same(history, uninterrupted[1])


def test_an_error_of_the_view_stops_the_workers_and_is_raised_in_the_cell_that_waits(
    hold, plan_in, tmp_path, monkeypatch
):
    class Broken(LiveView):
        def progress(self, config, step, loss):
            if step == HELD:
                raise ZeroDivisionError("of the view")

    async def cell(training):
        training.start()
        with pytest.raises(ZeroDivisionError, match="of the view"):
            await training.finished()

    monkeypatch.setattr("bitnet.display.live.LiveView", Broken)
    training = LiveTraining(plan_in(tmp_path, "l2-0.0"), live=True)
    within_patience(cell(training))
    assert training.view.text.value == "ZeroDivisionError: of the view"
    assert not training.view.resume_button.disabled
    assert [job.found().status for job in training_jobs(training)] == ["interrupted"]


def test_runs_of_which_none_came_to_an_evaluation_are_one_line(plan_in, tmp_path, monkeypatch):
    def diverge(self, step):
        raise Diverged("the loss is nan at step 1")

    plan = plan_in(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "update", diverge)
        execute(plan, log=lambda line: None)
    with pytest.raises(
        NotFinished, match=r"first evaluation \(Diverged: the loss is nan at step 1\)$"
    ):
        to_its_end(LiveTraining(plan, live=False))
