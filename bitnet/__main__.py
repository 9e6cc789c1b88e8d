"""`python -m bitnet`: train one run or a sweep of them, and print what reports and results say."""

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bitnet.checks import OneLineError, choice
from bitnet.runs.history import History

INTERRUPTED = 130  # as shells say of Ctrl-C

Add = Callable[..., Any]  # the method that adds an option to a command


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 1 and one line on standard error where it cannot, 130 if it was stopped."""
    options = _parser().parse_args(arguments)
    try:
        return options.command(options)
    except KeyboardInterrupt:
        print("Stopped. The same command resumes from the last checkpoints.", file=sys.stderr)
        return INTERRUPTED
    except OneLineError as error:
        return _failed([f"{type(error).__name__}: {error}"])


def _failed(lines: list[str]) -> int:
    for line in lines:
        print(line, file=sys.stderr)
    return 1 if lines else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bitnet", description="How a BitNet b1.58 training run collapses."
    )
    parser.add_argument("--version", action="version", version=f"bitnet {version('bitnet')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command, add_options, text in (
        ("run", _run, _run_options, "train one run, or resume it"),
        ("sweep", _sweep, _sweep_options, "train every run of a grid file, several at once"),
        ("verdict", _verdict, _verdict_options, "print the verdict of a finished report"),
        ("evidence", _evidence, _evidence_options, "print what the runs of a grid file say"),
        ("story", _story, _story_options, "write the page that tells the committed runs"),
    ):
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(command=command)
        add_options(added.add_argument)
    return parser


def _where_options(add: Add) -> None:
    add("--runs-dir", default="", help="where runs are kept (default: as in the notebooks)")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    products = "of the products with the vocabulary: auto, float32 or bfloat16"
    add("--precision", default="auto", help=products)


def _run_options(add: Add) -> None:
    arm = "a name, or overrides of one such as adamw-0.0+peak_lr=0.003 (default: l2-0.0)"
    add("--arm", default="l2-0.0", help=arm)
    add("--hidden", default=256, help="width of the model (default: 256)")
    add("--steps", default=20000, help="updates (default: 20000)")
    add("--seed", default=0, help="decides the initial weights (default: 0)")
    add("--corpus", default="wikipedia-sample", help="a name or a path (default: wikipedia-sample)")
    add("--eval-every", default=0, help="updates between evaluations (default: 20 evaluations)")
    add("--probe-positions", default=4096, help="held-out positions looked at (default: 4096)")
    _where_options(add)
    add("--threads", help="on a CPU (default: one a core)")
    add("--notebook", default="", help="execute this notebook, which loads the run, at the end")
    # A sweep's worker: the job comes on standard input, see bitnet.sweep.worker.
    add("--job", action="store_true", help=argparse.SUPPRESS)


def _run(options: argparse.Namespace) -> int:
    from bitnet.config import RunConfig
    from bitnet.runs.grid import Grid, find_notebook
    from bitnet.sweep.here import Here
    from bitnet.sweep.job import STOPPED
    from bitnet.sweep.runner import Runner, failures
    from bitnet.sweep.worker import work

    if options.job:
        reason = work()
        return INTERRUPTED if reason == STOPPED else int(bool(reason))
    config = RunConfig(
        options.arm,
        hidden=options.hidden,
        steps=options.steps,
        seed=options.seed,
        corpus=options.corpus,
        eval_every=options.eval_every,
        probe_positions=options.probe_positions,
    )
    engine = Here(options.threads, options.device, options.precision)
    grid = Grid((config,), find_notebook(options.notebook, Path.cwd()))
    return _failed(failures(Runner.prepare(grid, lambda _: engine, options.runs_dir).run()))


def _sweep_options(add: Add) -> None:
    add("grid", help="a YAML file with one or several grids, such as params/plan.yaml")
    rest = "show what is there and how long the rest takes, measured here"
    add("--dry-run", action="store_true", help=rest)
    notebook = "execute this notebook for each run, whatever the grid file says; '' for none"
    add("--notebook", help=notebook)
    _where_options(add)
    add("--workers", help="runs at once (default: one a core, or one a GPU)")
    engine = "pool (processes on this machine) or ray (a Ray cluster)"
    add("--engine", default="pool", help=engine)


def _sweep(options: argparse.Namespace) -> int:
    from bitnet.runs.grid import Grid
    from bitnet.sweep.runner import ENGINES, Runner, failures

    engine = ENGINES[choice("engine", options.engine, tuple(ENGINES))]
    where = options.workers, options.device, options.precision
    grid = Grid.load(options.grid, options.notebook)
    runner = Runner.prepare(grid, lambda jobs: engine(jobs, *where), options.runs_dir)
    if options.dry_run:
        runner.dry_run()
        return 0
    return _failed(failures(runner.run()))


def _verdict_options(add: Add) -> None:
    add("folder", help="the report's folder, such as runs/quick")


def _verdict(options: argparse.Namespace) -> int:
    from bitnet.analysis.results import RESULTS, load_plan, survey
    from bitnet.analysis.verdict import judge
    from bitnet.display.report import print_report

    print_report(options.folder)
    if RESULTS.is_dir():  # only in a checkout
        registered = load_plan()
        histories, found = survey(registered)
        verdict = judge(histories, registered.runs)
        complete = f"{(found.found == 'complete').sum()} of {len(found)} planned runs"
        print(f"\nBeside it, the runs of full length committed in results/ ({complete}):")
        print(f"{verdict.answer.upper()}: {verdict.reason}")
    return 0


def _evidence_options(add: Add) -> None:
    add("--grid", default="", help="a sweep's YAML file (default: the registered plan)")
    runs_dir = "where its runs are (default: the committed results/runs)"
    add("--runs-dir", default="", help=runs_dir)
    publish = "first copy finished runs from the runs folder to results/runs, then quote what they "
    documents = "say in README.md and results/README.md, and draw the README's picture"
    add("--publish", action="store_true", help=f"{publish}{documents}")


def _evidence(options: argparse.Namespace) -> int:
    from bitnet.analysis.results import CHECKOUT, collect, load_plan, survey
    from bitnet.analysis.summary import headline, quote, summary

    grid = load_plan(options.grid)
    if not options.publish:
        histories, _ = survey(grid, options.runs_dir)
        print(summary(grid, histories))
        return 0
    for name in collect(grid, options.runs_dir):
        print(f"new: results/runs/{name}")
    histories, _ = survey(grid)
    for document, write in (("README.md", headline), ("results/README.md", summary)):
        changed = quote(CHECKOUT / document, write(grid, histories))
        print(f"{document}: {'rewritten' if changed else 'as it was'}")
    _draw_hero(CHECKOUT / "results" / "pictures" / "hero.png", histories)
    return 0


def _draw_hero(path: Path, histories: Sequence[History]) -> None:
    """The README's picture, of the full runs at hidden 256."""
    from bitnet.display.bands import hero_figure
    from bitnet.display.theme import can_draw, picture
    from bitnet.runs.plan import PLAN_STEPS

    shown = [h for h in histories if (h.config.hidden, h.config.steps) == (256, PLAN_STEPS)]
    if not can_draw():
        print(f"{path.name}: not drawn, for want of a Chromium")
        return
    path.write_bytes(picture(hero_figure(shown).to_dict(), width=1000))
    print(f"{path.name}: drawn")


def _story_options(add: Add) -> None:
    add("--page", default="", help="the file to write (default: results/story.html)")


def _story(options: argparse.Namespace) -> int:
    from bitnet.analysis.results import CHECKOUT, load_results
    from bitnet.display.story import story_page

    path = Path(options.page) if options.page else CHECKOUT / "results" / "story.html"
    path.write_text(story_page(load_results()), encoding="utf-8")
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB, opens offline in a browser")
    return 0


def _sigterm_as_ctrl_c(number: int, _: object) -> None:
    signal.signal(number, signal.SIG_IGN)  # a second one would hit the writing of the last words
    signal.raise_signal(signal.SIGINT)


if __name__ == "__main__":
    # A scheduler such as Slurm sends SIGTERM before it kills; a shell's background jobs ignore
    # Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _sigterm_as_ctrl_c)
    sys.exit(main())
