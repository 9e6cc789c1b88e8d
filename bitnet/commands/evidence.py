"""`bitnet evidence`: what the committed runs say, printed or put into the pages that quote it."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import plotly.graph_objects as go

from bitnet import checks
from bitnet.analysis import cause as second_plan
from bitnet.analysis import cure as third_plan
from bitnet.analysis.cause import Forecast, cause
from bitnet.analysis.collection import add_runs, table_of
from bitnet.analysis.cure import add_passages, cure, passages_of
from bitnet.analysis.dose import cells
from bitnet.analysis.markdown import quote
from bitnet.analysis.phenomena import DECOUPLED
from bitnet.analysis.results import collect, load_plan, survey
from bitnet.analysis.summary import faithfulness, headline, summary
from bitnet.arms import BROKEN, FIX
from bitnet.commands.options import Add
from bitnet.committed import checkout, committed
from bitnet.config import RunConfig
from bitnet.display.diagram import phase_diagram
from bitnet.display.theme import can_draw, picture
from bitnet.display.verify import hero_figure
from bitnet.runs.history import History, default_runs_dir
from bitnet.runs.trained import load
from bitnet.scales import FULL, MINIATURE, SCALES, scale_of
from bitnet.terminal import say


def add_options(add: Add) -> None:
    """The options of the command."""
    add("--scale", default=FULL.name, choices=tuple(SCALES), help="whose plan (default: full)")
    runs_dir = "where its runs are (default: those committed in results)"
    add("--runs-dir", default="", help=runs_dir)
    publish = "copy finished runs of every plan from the runs folder to results, then quote what "
    documents = "they say in README.md and results, and draw the README's picture"
    add("--publish", action="store_true", help=f"{publish}{documents}")


def command(options: argparse.Namespace) -> int:
    """Print, or publish."""
    if not options.publish:
        scale = SCALES[options.scale]
        plan = load_plan(scale=scale)
        say(summary(plan, survey(plan, options.runs_dir or committed(scale.results))[0]))
        return 0
    project, found = checkout(), {}
    for scale in SCALES.values():
        plan = load_plan(scale=scale)
        folder = project / scale.results
        for name in collect(plan, options.runs_dir, folder, _is_to_write):
            say(f"new: {scale.results}/{name}")
        found[scale.name] = (plan, survey(plan, folder)[0])
    runs_dir = checks.folder("runs_dir", options.runs_dir) or default_runs_dir()
    for history in add_runs(second_plan.planned(), runs_dir, second_plan.TABLE):
        say(f"new: results/plan-2: {history.manifest['identity']}")
    _add_cured(runs_dir)
    full, miniature = found[FULL.name], found[MINIATURE.name]
    second, forecast = table_of(second_plan.TABLE), Forecast()
    alike = faithfulness(miniature[1], full[1])
    for document, text in (
        ("README.md", headline(*full)),
        ("results/README.md", summary(*full)),
        ("results/MINIATURE.md", f"{alike}\n\n{summary(*miniature)}"),
        ("results/CAUSE.md", cause(second, forecast)),
        ("results/CURE.md", cure(table_of(third_plan.TABLE), passages_of())),
    ):
        changed = quote(project / document, text)
        say(f"{document}: {'rewritten' if changed else 'as it was'}")
    pictures = project / "results" / "pictures"
    _draw_hero(pictures / "hero.png", full[1])
    diagram = phase_diagram(cells(second, forecast.predict), forecast.boundaries(second[0].config))
    _draw(pictures / "phase-diagram.png", diagram)
    return 0


def _add_cured(runs_dir: Path) -> None:
    """The third plan's finished runs, each with what it writes after held-out openings."""
    for history in add_runs(third_plan.planned(), runs_dir, third_plan.TABLE):
        say(f"new: results/cure: {history.manifest['identity']}")
    measured = set(passages_of().run)
    for history in table_of(third_plan.TABLE):
        identity = str(history.manifest["identity"])
        if identity not in measured and (runs_dir / identity / "model.safetensors").exists():
            add_passages(identity, load(runs_dir / identity).passages().table())
            say(f"passages: {identity}")


def _is_to_write(run: RunConfig) -> bool:
    """Whether a run's weights are committed: of the miniature's first pair, the question's arms."""
    first = scale_of(run) is MINIATURE and run.seed == run.order == 0
    return first and run.arm in (BROKEN, FIX, DECOUPLED)


def _draw_hero(path: Path, histories: Sequence[History]) -> None:
    """The README's picture, of the full runs at its hidden size."""
    sizes = (FULL.hidden, FULL.steps)
    shown = [h for h in histories if (h.config.hidden, h.config.steps) == sizes]
    _draw(path, hero_figure(shown))


def _draw(path: Path, figure: go.Figure) -> None:
    if not can_draw():
        say(f"{path.name}: not drawn, for want of a Chromium")
        return
    path.write_bytes(picture(figure.to_dict(), width=1000))
    say(f"{path.name}: drawn")
