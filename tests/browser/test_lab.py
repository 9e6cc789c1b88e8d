"""The notebooks in a real browser: run, explored, stopped and resumed, as a newcomer would."""

import json
import re
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parent.parent.parent / "notebooks").glob("*.ipynb"))
COLLAPSE = next(path for path in NOTEBOOKS if path.stem == "collapse")
# A notebook takes those that it has. Evaluations cost more than updates of so small a network, so
# there are few.
TINY = {
    "scale": "miniature", "hidden": 16, "steps": 8, "vocabulary": 300, "eval_every": 8,
    "seeds": "0", "arms": "l2-0.0,adamw-0.0", "changes": "l2-blocks-0.0", "probe_positions": 256,
    "new_tokens": 4, "device": "cpu",
}  # fmt: skip
ARMS = {"verify": "l2-0.0", "wd_fix": "l2-0.05,l2-0.0"}
# Nothing but Stop ends it in its test.
ENDLESS = TINY | {"steps": 200_000, "arms": "l2-0.0"}

PLOTLY = "application/vnd.plotly.v1+json"
FRAME = "iframe.bitnet-explorer"
LINES_OF_FIGURE = "plot => plot._fullData.map(trace => Array.from(trace.x || []))"


def errors(notebook):
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [output for output in outputs if output.output_type == "error"]


def assert_small(lab, notebook):
    """Pictures may be kept, as JupyterLab adds them; the 5 MB of a live figure may not."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert [len(json.dumps(o)) for o in outputs if len(json.dumps(o)) > 500_000] == []
    assert lab.path.stat().st_size < 2_000_000
    assert len(json.dumps(notebook.metadata.get("widgets", {}))) < 10_000


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(lab, path):
    lab.open(path, **TINY | {"arms": ARMS.get(path.stem, TINY["arms"])})
    lab.run_all()
    lab.until_finished()
    notebook = lab.save()
    assert not errors(notebook)
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
    assert_small(lab, notebook)
    figures = lab.page.locator(".jp-RenderedPlotly")
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    shown = [output for output in outputs if PLOTLY in output.get("data", {})]
    assert figures.count() == len(shown) > 0
    for figure in figures.all():
        figure.hover()
        figure.locator(".plot-container").wait_for()
        (lines,) = figure.evaluate_all(f"plots => plots.map({LINES_OF_FIGURE})")
        assert any(len(x) > 0 for x in lines)
    lab.screenshot(f"{path.stem}-figure", figures.first)


def test_the_explorer_moves_and_survives_a_reload_without_a_kernel(lab, tmp_path):
    cell = nbformat.v4.new_code_cell("from bitnet.display import explorer\nexplorer.explore()")
    path = tmp_path / "explored.ipynb"
    metadata = nbformat.read(COLLAPSE, as_version=4).metadata
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=metadata), path)
    lab.open(path)
    lab.run_all()
    lab.until_finished()
    assert_it_moves(lab.page.frame_locator(FRAME))
    lab.screenshot("explorer", lab.page.locator(FRAME))
    look = lab.page.frame_locator(FRAME).locator("html")
    assert look.get_attribute("data-theme") == "light"
    lab.page.evaluate("document.body.dataset.jpThemeLight = 'false'")
    lab.page.frame_locator(FRAME).locator("html[data-theme=dark]").wait_for()
    lab.page.set_viewport_size({"width": 900, "height": 700})
    assert_it_moves(lab.page.frame_locator(FRAME))
    lab.screenshot("explorer-900-dark", lab.page.locator(FRAME))
    lab.page.set_viewport_size({"width": 1280, "height": 1000})
    lab.save()
    lab.end_kernels()
    lab.reopen()
    assert_it_moves(lab.page.frame_locator(FRAME))

    # A notebook that comes from elsewhere is not trusted: no frame, but a table.
    (lab.root / "foreign.ipynb").write_bytes(lab.path.read_bytes().replace(b"iframe ", b"iframe  "))
    lab.path = lab.root / "foreign.ipynb"
    lab.reopen()
    table = lab.page.locator(".jp-OutputArea-output table")
    table.get_by_text("adamw-0.0").wait_for()
    assert lab.page.locator(FRAME).count() == 0
    lab.screenshot("explorer-not-trusted", table)


def assert_it_moves(frame):
    """From the last step to the switch and on, all within 700 pixels."""
    counts, states = frame.locator(".count b"), frame.locator(".state")
    counts.nth(2).wait_for()
    assert states.all_inner_texts() == ["collapsed", "diverse", "diverse"]
    last = counts.all_inner_texts()
    slider = frame.locator("input[type=range]")
    slider.focus()
    slider.press("Home")
    assert frame.locator("output").inner_text().startswith("update 1 of")
    assert counts.all_inner_texts() != last
    slider.press("End")
    assert counts.all_inner_texts() == last
    assert frame.locator("mark").count() > 3
    assert (
        frame.locator(".player").bounding_box()["height"] < 600
    )  # a window of 700 has the bars of JupyterLab too


class Live:
    """The view of a live training in a page, as a person sees it."""

    def __init__(self, lab):
        self.lab, self.page = lab, lab.page
        buttons = (
            self.page.locator(".widget-button", has_text=name) for name in ("Stop", "Resume")
        )
        self.stop, self.resume = buttons
        self.output = self.page.locator(".jp-OutputArea-output", has=self.stop)
        self.plot = self.output.locator(".js-plotly-plot")
        self.label = self.output.locator(".widget-label", has_text=re.compile("step|stop"))
        self.waiting = self.page.locator(".jp-CodeCell", has_text="training.finished()")

    def until_step_above(self, step):
        """Wait for the label to show a later step; return it."""
        self.page.wait_for_function(
            """([label, step]) => {
                const shown = label.textContent.match(/step ([\\d\\s]+) of/) || [0, '-1'];
                return Number(shown[1].replace(/\\s/g, '')) > step;
            }""",
            arg=[self.label.element_handle(), step],
        )
        found = re.search(r"step ([\d\s]+) of", self.label.inner_text())
        return int(re.sub(r"\s", "", found[1])) if found else step

    def press_stop(self):
        """It stops within seconds, and says so."""
        self.stop.click()
        self.label.filter(has_text="stopped, and kept as it stands").wait_for(timeout=10_000)

    def until_it_fills(self, least=1, most=9999):
        """Wait until the column has a width in between and the chart too; return its size."""
        drawn = self.plot.locator(".main-svg").first
        # Plotly leaves a width as it is that is wrong by a pixel, and a column has fractions.
        self.page.wait_for_function(
            """([drawn, column, least, most]) => {
                const [is, place] = [drawn, column].map(e => e.getBoundingClientRect().width);
                return least - 2 < place && place < most && Math.abs(is - place) < 2;
            }""",
            arg=[drawn.element_handle(), self.output.element_handle(), least, most],
            timeout=10_000,
        )
        return self.size()

    def size(self):
        box = self.plot.locator(".main-svg").first.bounding_box()
        return box["width"], box["height"]

    def touch(self):
        """Move the mouse over the chart, until it has noticed and shows its tools."""
        self.plot.hover(position={"x": 150, "y": 150})
        self.page.wait_for_function(
            "tools => getComputedStyle(tools).opacity === '1'",
            arg=self.plot.locator(".modebar").element_handle(),
        )

    def steps(self):
        """The steps drawn of the loss."""
        return self.plot.evaluate(LINES_OF_FIGURE)[0]

    def prompt(self):
        return self.waiting.locator(".jp-InputPrompt").inner_text()


def test_a_live_training_stops_and_resumes_and_survives_a_reload(lab):
    lab.open(COLLAPSE, **ENDLESS)
    lab.run_all()
    live = Live(lab)
    stood = live.until_step_above(20)
    assert live.prompt() == "[*]:"
    table = live.output.locator(".widget-html-content", has_text="distinct tokens").first
    assert "l2-0.0" in table.inner_text()
    lab.screenshot("live-training", live.output)
    live.press_stop()
    assert live.resume.is_enabled()
    assert live.prompt() == "[*]:", "the cell that waits has ended"
    assert live.waiting.locator(".jp-OutputArea-output").count() == 0
    lab.screenshot("live-stopped", live.output)

    live.resume.click()
    stood = live.until_step_above(stood)
    steps = live.steps()
    assert steps == sorted(set(steps)), "the curve began anew"
    assert_small(lab, lab.save())

    lab.page.reload()
    live = Live(lab)
    live.plot.wait_for()
    assert set(steps) <= set(live.steps()), "what was seen is lost"
    live.output.filter(has_text="l2-0.0").wait_for()
    live.until_step_above(stood)
    assert live.steps()[-1] > steps[-1], "it stands still after the reload"
    lab.screenshot("live-reloaded", live.output)
    live.press_stop()
    lab.screenshot("live-resumed-and-stopped", live.output)


def test_the_live_chart_fills_the_column_and_keeps_its_size(lab):
    lab.open(COLLAPSE, **ENDLESS)
    lab.run_all()
    live = Live(lab)
    live.until_step_above(0)
    wide = live.until_it_fills()
    lab.page.set_viewport_size({"width": 900, "height": 1000})
    narrow = live.until_it_fills(most=800)
    assert narrow[1] == wide[1]
    lab.screenshot("live-900", live.output)
    assert_it_keeps_its_size(live)

    lab.page.set_viewport_size({"width": 1280, "height": 1000})
    assert live.until_it_fills(least=wide[0]) == wide
    lab.screenshot("live-1280", live.output)
    assert_it_keeps_its_size(live)

    # The window stays as it is, and the column gets narrower and wide again.
    lab.page.keyboard.press("Control+b")
    live.until_it_fills(most=wide[0] - 100)
    lab.page.keyboard.press("Control+b")
    assert live.until_it_fills(least=wide[0]) == wide

    live.press_stop()
    lab.save()
    lab.page.reload()  # now nothing is drawn but what was there
    live.plot.wait_for()
    live.until_it_fills()


def assert_it_keeps_its_size(live):
    """As the mouse comes, and over an update with the mouse there."""
    before = live.size()
    live.touch()
    assert live.size() == before
    drawn = live.steps()
    live.page.wait_for_function(
        f"([plot, last]) => ({LINES_OF_FIGURE})(plot)[0].at(-1) > last",
        arg=[live.plot.element_handle(), drawn[-1]],
    )
    assert live.size() == before


def test_a_stopped_study_goes_on_by_itself_and_leaves_a_picture(lab):
    lab.open(COLLAPSE, **TINY | {"steps": 400, "arms": "l2-0.0"})
    lab.run_all()
    live = Live(lab)
    live.until_step_above(20)
    live.press_stop()
    live.resume.click()
    lab.until_finished()
    notebook = lab.save()
    assert not errors(notebook)
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
    (cell,) = (cell for cell in notebook.cells if "training.start()" in cell.source)
    figure, table = (output.data for output in cell.outputs)
    assert all(len(line["x"]) > 0 for line in figure[PLOTLY]["data"])
    assert "400 of 400 (complete)" in table["text/html"]
    assert not any("widget-view" in kind for output in cell.outputs for kind in output.data)
    start = lab.page.locator(".jp-CodeCell", has_text="training.start()")
    start.locator(".plot-container").wait_for()
    lab.screenshot("live-finished", start)


def test_a_figure_fills_the_column_and_keeps_its_size_when_touched(lab):
    lab.open(COLLAPSE, **TINY)
    lab.run_all()
    lab.until_finished()
    figures = lab.page.locator(".jp-RenderedPlotly")
    for width in (1280, 900):
        lab.page.set_viewport_size({"width": width, "height": 1000})
        for figure in figures.all():
            figure.scroll_into_view_if_needed()
            plot = figure.locator(".main-svg").first
            plot.wait_for()
            column = figure.bounding_box()["width"]
            lab.page.wait_for_function(
                "([plot, width]) => Math.abs(plot.getBoundingClientRect().width - width) < 3",
                arg=[plot.element_handle(), column],
            )
            before = plot.bounding_box()
            figure.hover()
            figure.hover(position={"x": column / 3, "y": 200})
            after = plot.bounding_box()
            assert (after["width"], after["height"]) == (before["width"], before["height"])
