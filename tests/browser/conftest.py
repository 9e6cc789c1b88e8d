"""A JupyterLab on loopback with settings of its own, and this machine's Chromium to look at it."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import papermill
import platformdirs
import pytest
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

ROOT = Path(__file__).parent.parent.parent
SCREENSHOTS = ROOT / "runs" / "screenshots"
BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
)
# An upper bound for the server, a page or a kernel to be there, on a slow and busy machine.
READY_SECONDS = 90


def missing(what: str) -> None:
    """Skip, or fail where the browser tests are what was asked for."""
    if os.environ.get("BITNET_REQUIRE_BROWSER", "0") != "0":
        pytest.exit(what, returncode=1)
    pytest.skip(what)


@pytest.fixture(scope="session")
def chromium():
    """The browser of this machine; Playwright's own download is not needed."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("the browser tests need Playwright: pip install -e '.[browser]'")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        remedy = "on Debian and Ubuntu: apt-get install chromium"
        missing(f"the browser tests need a Chromium or Chrome on the PATH; {remedy}")
    with sync_playwright() as playwright:
        # Chromium has no sandbox for root, which is who runs in a container; it sees nothing but
        # our own server.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def server(chromium, tmp_path_factory):
    """A JupyterLab and its root folder, (address, folder).

    The user's settings, kernels and runs stay out of it.
    """
    home = tmp_path_factory.mktemp("home")
    root = tmp_path_factory.mktemp("lab")
    settings = home / "config" / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    # Else it asks whether it may.
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')
    others = ("JUPYTER", "JPY_", "IPYTHON")
    environment = {k: value for k, value in os.environ.items() if not k.startswith(others)}
    environment |= {
        "HOME": str(home),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTER_PREFER_ENV_PATH": "1",  # this environment's kernel
        "IPYTHONDIR": str(home / "ipython"),
        "BITNET_RUNS": str(root / "runs"),
        # Tokens are the same for everyone, and take a minute to make.
        "BITNET_CACHE": os.environ.get("BITNET_CACHE") or platformdirs.user_cache_dir("bitnet"),
        "HF_HUB_OFFLINE": "1",
    }
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    with (home / "server.log").open("w") as log:
        process = subprocess.Popen(
            [
                sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root",
                "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}",
                "--ServerApp.port_retries=0", "--IdentityProvider.token=",
                f"--ServerApp.root_dir={root}",
                "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
            ],
            cwd=root, env=environment, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        _wait_until_it_answers(process, address, home / "server.log")
        yield address, root
    finally:
        process.terminate()  # takes its kernels along
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()


def _wait_until_it_answers(process: subprocess.Popen, address: str, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            urllib.request.urlopen(f"{address}/api/status", timeout=5)
            return
        except OSError:  # which URLError is
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"JupyterLab did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.2)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A test that failed leaves a picture of what was there instead."""
    report = yield
    if report.when == "call" and report.failed and "lab" in item.funcargs:
        item.funcargs["lab"].screenshot(f"failed-{item.name}")
    return report


@pytest.fixture
def lab(chromium, server):
    """A browser page on that JupyterLab; see `Lab`. The kernels it started end with the test."""
    address, root = server
    context = chromium.new_context(viewport={"width": 1280, "height": 1000})
    context.set_default_timeout(READY_SECONDS * 1000)
    lab = Lab(context.new_page(), address, root)
    yield lab
    lab.end_kernels()
    context.close()


class Lab:
    """What a person does in JupyterLab with one notebook, waiting for what they would see."""

    def __init__(self, page, address: str, root: Path):
        self.page, self.address, self.root = page, address, root

    def open(self, notebook: Path, **parameters) -> None:
        """Open a copy without outputs, with its part of `parameters`; wait for its kernel."""
        content = load_notebook_node(str(notebook))
        for cell in content.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        names = papermill.inspect_notebook(str(notebook))
        given = {name: value for name, value in parameters.items() if name in names}
        content = parameterize_notebook(content, given)
        self.path = self.root / notebook.name
        nbformat.write(content, self.path)
        self.page.goto(f"{self.address}/lab/tree/{notebook.name}?reset")
        self.page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
        self.until_idle()  # a kernel that is still starting forgets what it is asked to run
        self.page.keyboard.press("Control+b")  # the file browser takes a quarter of the width
        self.page.locator(".jp-FileBrowser").first.wait_for(state="hidden")

    def reopen(self) -> None:
        """Load the notebook as it was saved, in a page that has run nothing."""
        self.page.goto(f"{self.address}/lab/tree/{self.path.name}?reset")
        self.page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()

    def until_idle(self) -> None:
        # The status bar speaks of the kernel; the notebook's round indicator is "idle" before there
        # is one.
        self.page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for()

    def menu(self, menu: str, command: str) -> None:
        self.page.locator(".lm-MenuBar-item").get_by_text(menu, exact=True).click()
        self.page.locator(f'.lm-Menu li[data-command="{command}"]').first.click()

    def run_all(self) -> None:
        self.menu("Run", "runmenu:run-all")

    def until_finished(self, seconds: float = 200) -> None:
        """Wait until no cell waits its turn: all have a number, or those after an error none."""
        self.page.wait_for_function(
            """() => {
                const shown = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')];
                const prompts = shown.map(p => p.textContent.trim());
                return /\\d/.test(prompts[0]) && !prompts.includes('[*]:');
            }""",
            timeout=seconds * 1000,
        )
        self.until_idle()

    def save(self) -> nbformat.NotebookNode:
        """Ctrl+S; the notebook as it is on disk then."""
        with self.page.expect_response(
            lambda r: r.request.method == "PUT" and "/api/contents/" in r.url
        ) as saved:
            self.menu("File", "docmanager:save")
        assert saved.value.ok
        return nbformat.read(self.path, as_version=4)

    def screenshot(self, name: str, locator=None) -> None:
        """A picture of the page, scrolled to a place in it, for people to look at."""
        if locator is not None:
            locator.evaluate("element => element.scrollIntoView({block: 'start'})")
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png")

    def end_kernels(self) -> None:
        cookies = {cookie["name"]: cookie["value"] for cookie in self.page.context.cookies()}
        for session in json.loads(self.page.request.get(f"{self.address}/api/sessions").body()):
            headers = {"X-XSRFToken": cookies.get("_xsrf", "")}
            assert self.page.request.delete(
                f"{self.address}/api/sessions/{session['id']}", headers=headers
            ).ok
