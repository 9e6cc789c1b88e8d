"""Story and report in a real browser: scrolled, by keyboard, on a phone, without script."""

import pytest

from bitnet import Plan, judge
from bitnet.analysis.answer import beside_full
from bitnet.committed import CHECKOUT
from bitnet.display.report_page import report_page

STORY = (CHECKOUT / "results" / "story.html").as_uri()
DESK, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
LAST = 20
SCREENSHOTS = CHECKOUT / "runs" / "screenshots"


@pytest.fixture
def opened(chromium):
    """A function that opens a page; whatever the console says there fails the test."""
    contexts, said = [], []

    def open_page(viewport, address=STORY, **look):
        context = chromium.new_context(viewport=viewport, offline=True, **look)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("requestfailed", lambda request: said.append(request.url))
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []


def counts(page):
    return page.locator(".count b").all_inner_texts()


def at(page):
    return int(page.locator("input[type=range]").input_value())


def picture(page, name):
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.wait_for_timeout(400)  # the bars move
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_scrolling_moves_through_every_evaluation(opened, viewport, scheme):
    page = opened(viewport, color_scheme=scheme)
    assert at(page) == 0
    name = f"story-{viewport['width']}-{scheme}"
    picture(page, f"{name}-top")
    seen, end = {}, page.locator(".after").first
    while end.bounding_box()["y"] > 0:
        page.mouse.wheel(0, 60)
        page.wait_for_timeout(20)
        if at(page) not in seen:
            seen[at(page)] = counts(page)
            if at(page) in (1, 10, LAST):
                picture(page, f"{name}-{at(page)}")
    assert list(seen) == list(range(LAST + 1))
    assert (seen[1][:2], seen[10][:2], seen[LAST]) == (
        ["968", "968"], ["2", "2"], ["2", "224", "239"],
    )  # fmt: skip
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= viewport["width"], "it scrolls sideways"


def test_the_keyboard_moves_and_the_page_follows(opened):
    page = opened(DESK)
    page.keyboard.press("ArrowRight")  # from anywhere on the page
    assert at(page) == 1
    slider = page.locator("input[type=range]")
    slider.focus()
    assert slider.evaluate("s => getComputedStyle(s).outlineStyle") == "solid", "no visible focus"
    slider.press("ArrowRight")
    assert at(page) == 2
    slider.press("End")
    assert (at(page), counts(page)) == (LAST, ["2", "224", "239"])
    assert "update 20" in slider.get_attribute("aria-valuetext")
    last = page.locator(".chapter").last.bounding_box()
    assert 0 < last["y"] < DESK["height"], "the page is not where the step is"
    slider.press("Home")
    assert at(page) == 0
    slider.press(" ")
    page.wait_for_function("document.querySelector('input[type=range]').value > 1")
    assert page.locator(".play").inner_text().endswith("pause")
    slider.press(" ")
    assert page.locator(".play").inner_text().endswith("play")


def test_whoever_wants_no_motion_gets_none(opened):
    page = opened(DESK, reduced_motion="reduce")
    bar = page.locator(".bars i").first
    assert bar.evaluate("b => getComputedStyle(b).transitionDuration") == "0s"
    page.locator(".play").click()
    page.wait_for_function("document.querySelector('input[type=range]').value == 2")


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_without_a_script_it_is_a_page_to_read(opened, viewport):
    page = opened(viewport, java_script_enabled=False)
    assert page.locator(".readings").first.is_visible()
    assert not page.locator(".controls").is_visible()
    assert counts(page) == ["2", "224", "239"]
    picture(page, f"story-{viewport['width']}-without-script")


def test_on_a_phone_on_its_side_the_text_is_not_covered(opened):
    page = opened({"width": 844, "height": 390})
    page.locator("input[type=range]").focus()
    page.keyboard.press("End")
    assert (at(page), counts(page)) == (LAST, ["2", "224", "239"])
    page.mouse.wheel(0, 1500)
    page.wait_for_timeout(100)
    assert page.locator(".stage").bounding_box()["y"] < -300, "it stays over the text"
    assert page.locator(".readings").first.is_visible()


def test_everything_fits_a_window_of_700_pixels(opened):
    for width in (1280, 1100):
        page = opened({"width": width, "height": 700})
        assert page.locator(".stage .player").bounding_box()["height"] < 700


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_the_pieces_of_a_report_move_apart(opened, viewport, committed, tmp_path):
    study = [h for h in committed if h.config.hidden == 512]
    plan = Plan(hidden=512, steps=20_000, device="cpu", runs_dir=tmp_path)
    verdict = judge(study)
    page = report_page("a question", plan, study, [], verdict, beside_full(study, verdict))
    (tmp_path / "report.html").write_text(page, encoding="utf-8")
    page = opened(viewport, (tmp_path / "report.html").as_uri())
    own, recommended, full = page.locator(".player").all()
    assert own.locator(".count b").all_inner_texts() == ["2", "258", "331"]
    own.locator("input[type=range]").press("Home")
    assert own.locator("output").inner_text().startswith("update 1 of")
    assert full.locator(".count b").all_inner_texts() == ["2", "224", "239"]
    assert recommended.locator(".count b").all_inner_texts() == ["592"]
    assert "Stage" not in recommended.locator("output").inner_text()  # it has none
    plot = full.locator(".timeline .plot")
    plot.click(position={"x": plot.bounding_box()["width"] / 2, "y": 20})
    assert full.locator(".count b").all_inner_texts()[:2] == ["2", "2"]
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    picture(page, f"report-{viewport['width']}")
