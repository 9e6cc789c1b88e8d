"""How `make site` builds the site: these pages and notebooks as they are committed, none executed.

The folder of the sources is the checkout itself, so links between pages are those of the files.
"""

import shutil
import sys
from pathlib import Path

import plotly.offline
from docutils import nodes
from latex2mathml.converter import convert
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.osutil import relative_uri
from sphinx.writers.html5 import HTML5Translator

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
STORY = "results/story.html"
sys.path.insert(0, str(HERE))  # stored_figures

project = "bitnet"
html_title = "bitnet: why a small BitNet b1.58 run collapses"
extensions = ["myst_nb"]
root_doc = "README"
include_patterns = ["*.md", "docs/*.md", "results/*.md", "notebooks/*.ipynb"]
nb_execution_mode = "off"
nb_custom_formats = {".ipynb": ["stored_figures.read", {}]}
myst_heading_anchors = 4
myst_enable_extensions = ["dollarmath"]
suppress_warnings = ["myst.header"]  # the headings of a generated part begin lower
html_theme = "furo"
html_math_renderer = "mathml"
html_static_path = ["static"]
html_favicon = "static/icon.svg"
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False


def add_contents(app: Sphinx, name: str, source: list[str]) -> None:
    """The front page is the README, which has no list of all pages; the site's menu needs one."""
    if name == root_doc:
        source[0] += (HERE / "contents.md").read_text(encoding="utf-8")


def open_the_story(app: Sphinx, doctree: nodes.document) -> None:
    """The story is a page, and not a file to be saved."""
    for node in list(doctree.findall(addnodes.download_reference)):
        if Path(node.get("reftarget", "")).name == Path(STORY).name:
            here = app.builder.get_target_uri(app.env.docname)
            link = nodes.reference("", "", *node.children, refuri=relative_uri(here, STORY))
            node.replace_self(link)


def inline_formula(translator: HTML5Translator, node: nodes.math) -> None:
    """MathML, which browsers draw themselves: Sphinx's own way loads a script from elsewhere."""
    translator.body.append(convert(node.astext()))
    raise nodes.SkipNode


def formula(translator: HTML5Translator, node: nodes.math_block) -> None:
    translator.body.append(convert(node.astext(), display="block"))
    raise nodes.SkipNode


def draw_figures(app: Sphinx, page: str, template: str, context: dict, doctree: object) -> None:
    """Plotly, of which there is one copy, is loaded by the pages that have figures."""
    if page.startswith("notebooks/"):
        app.add_js_file("plotly.min.js")
        app.add_js_file("figures.js")


def add_files(app: Sphinx, error: Exception | None) -> None:
    """What is no page of Sphinx: Plotly, the story, and the front page under its usual name."""
    if error:
        return
    out = Path(app.outdir)
    script = plotly.offline.get_plotlyjs()
    (out / "_static" / "plotly.min.js").write_text(script, encoding="utf-8")
    shutil.copy(ROOT / STORY, out / STORY)
    shutil.copy(out / f"{root_doc}.html", out / "index.html")


def setup(app: Sphinx) -> None:
    app.add_html_math_renderer("mathml", (inline_formula, None), (formula, None))
    app.connect("source-read", add_contents)
    app.connect("doctree-read", open_the_story, priority=400)  # before files to be saved are noted
    app.connect("html-page-context", draw_figures)
    app.connect("build-finished", add_files)
