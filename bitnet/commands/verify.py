"""`bitnet verify`: train the arms of a plan side by side, and answer the question."""

import argparse

from bitnet.analysis.preflight import preflight
from bitnet.analysis.verdict import judge
from bitnet.arms import BROKEN, FIX
from bitnet.commands.options import Add, add_sizes, add_where
from bitnet.display.printout import print_report
from bitnet.display.report import write_report
from bitnet.display.report_folder import claim_report
from bitnet.runs.plan import Plan
from bitnet.sweep.study import prepare, train
from bitnet.terminal import Terminal


def add_options(add: Add) -> None:
    """The options of the command."""
    add_sizes(add)
    arms = f"comma-separated names or overrides (default: {BROKEN},{FIX},adamw-0.0)"
    add("--arms", default=",".join((BROKEN, FIX, "adamw-0.0")), help=arms)
    add("--seeds", default="0", help="comma-separated; each decides the initial weights")
    add_where(add)
    add("--workers", help="runs at once (default: up to two a core, or one a GPU)")
    report = "where the report goes (default: reports/ in the runs folder, named after the plan)"
    add("--report-dir", default="", help=report)


def command(options: argparse.Namespace) -> int:
    """Train, judge, write the report, and print what it says."""
    plan = Plan(
        hidden=options.hidden, steps=options.steps, arms=options.arms, seeds=options.seeds,
        corpus=options.corpus, device=options.device, runs_dir=options.runs_dir,
        precision=options.precision, eval_every=options.eval_every,
        probe_positions=options.probe_positions, scale=options.scale,
        vocabulary=options.vocabulary, order=options.order, tracker=options.tracker,
    )  # fmt: skip
    report = claim_report(plan, options.report_dir)
    console = Terminal()
    runner = prepare(plan, options.workers, console)
    findings = preflight(plan.runs, plan.load_corpus())
    for finding in findings:
        if finding.level == "warning":
            line = f"{finding.subject}: {finding.message}"
            console.print(line, style="yellow")
    if runner.pending:
        console.print("Measuring how long it takes here ...")
        console.print(runner.estimate()[0])
    histories = train(runner)
    write_report(report, plan, histories, findings, judge(histories))
    print_report(report, console)
    return 0
