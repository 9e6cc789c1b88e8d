"""The site of `make site` in a real browser: whole at two widths, with nothing from elsewhere."""

import functools
import http.server
import threading

import pytest

from bitnet.committed import CHECKOUT

SITE = CHECKOUT / "build" / "site"
SCREENSHOTS = CHECKOUT / "runs" / "screenshots"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def address():
    """The site on loopback: a page that is opened as a file may not search."""
    if not (SITE / "index.html").exists():
        pytest.fail("the site is not built; run 'make site'")
    serve = functools.partial(Quiet, directory=str(SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("width", [400, 1200])
def test_the_site_is_whole_and_asks_nobody_else(chromium, address, width):
    context = chromium.new_context(viewport={"width": width, "height": 1000})
    page, said, asked = context.new_page(), [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))

    def look(name):
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"site-{name}-{width}.png")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, "scrolls sideways"

    page.goto(f"{address}/")
    assert page.get_by_role("heading", level=1).inner_text().startswith("bitnet: why")
    look("front")

    page.goto(f"{address}/notebooks/collapse.html")
    places = page.locator(".stored-figure")
    assert places.count() == 5
    for place in places.all():
        assert place.locator(".main-svg .lines path.js-line").count() > 0
    figure = places.first.bounding_box()
    assert 0 <= figure["x"] < figure["x"] + figure["width"] <= width
    assert page.locator("math[display=block]").first.bounding_box()["height"] > 10
    explorer = page.frame_locator("iframe").first
    assert explorer.locator(".count b").all_inner_texts() == ["2", "224", "239"]
    places.first.scroll_into_view_if_needed()
    look("notebook")

    page.goto(f"{address}/docs/README.html")
    page.get_by_role("link", name="story", exact=True).click()
    page.wait_for_url("**/results/story.html")
    assert page.locator(".count b").count() > 0
    look("story")

    page.goto(f"{address}/search.html?q=kneser")
    found = page.locator("#search-results li a")
    found.first.wait_for()
    look("search")
    found.first.click()
    assert "kneser" in page.locator("article").inner_text().lower()

    context.close()
    assert said == []
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
