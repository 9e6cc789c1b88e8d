"""`python -m bitnet`: the verdict of a report in the terminal, sweeps over many runs, and the account of what they found."""

import argparse
import sys

from bitnet.checks import OneLineError
from bitnet.report import print_report


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 1 and one line on standard error where it cannot."""
    parser = argparse.ArgumentParser(prog="python -m bitnet", description="How a BitNet b1.58 training run collapses.")
    commands = parser.add_subparsers(dest="command", required=True)
    verdict = commands.add_parser("verdict", help="print the verdict of a finished report")
    verdict.add_argument("folder", help="the report's folder, such as runs/quick")
    sweep = commands.add_parser("sweep", help="train every run of a plan file, several at once")
    sweep.add_argument("plan", help="a YAML file with one or several grids, such as params/plan.yaml")
    sweep.add_argument("--dry-run", action="store_true", help="show what is there and how long the rest takes, measured here")
    sweep.add_argument("--notebook", help="execute this notebook for each run, whatever the plan file says; '' for none")
    sweep.add_argument("--runs-dir", default="", help="where runs are kept (default: as in the notebooks)")
    sweep.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    sweep.add_argument("--precision", default="auto", help="of the products with the vocabulary: auto, float32 or bfloat16")
    sweep.add_argument("--workers", help="runs at once (default: one a core, or one a GPU)")
    sweep.add_argument("--engine", default="pool", help="pool (processes on this machine) or ray (a Ray cluster)")
    evidence = commands.add_parser("evidence", help="print the account of a plan's runs: table, verdict, what is missing")
    evidence.add_argument("--plan", default="", help="a sweep's YAML file (default: the registered plan)")
    evidence.add_argument("--runs-dir", default="", help="where its runs are (default: the committed results/runs)")
    evidence.add_argument(
        "--publish", action="store_true", help="first copy finished runs from the runs folder to results/runs, then quote "
        "the account in README.md and results/README.md",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    try:
        if options.command == "evidence":
            return _evidence(options)
        if options.command == "sweep":
            return _sweep(options)
        _verdict(options)
    except OneLineError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


def _verdict(options: argparse.Namespace) -> None:
    from bitnet.evidence import RESULTS, load_plan, survey
    from bitnet.verdict import judge

    print_report(options.folder)
    if RESULTS.is_dir():  # only in a checkout
        registered = load_plan()
        histories, found = survey(registered)
        verdict = judge(histories, registered.runs)
        complete = f"{(found.found == 'complete').sum()} of {len(found)} planned runs"
        print(f"\nBeside it, the runs of full length committed in results/ ({complete}):")
        print(f"{verdict.answer.upper()}: {verdict.reason}")


def _evidence(options: argparse.Namespace) -> int:
    from bitnet.account import account, headline, quote
    from bitnet.evidence import CHECKOUT, collect, load_plan, survey

    sweep = load_plan(options.plan)
    if options.publish:
        for name in collect(sweep, options.runs_dir):
            print(f"new: results/runs/{name}")
    histories, _ = survey(sweep, "" if options.publish else options.runs_dir)
    if not options.publish:
        print(account(sweep, histories))
        return 0
    for document, write in (("README.md", headline), ("results/README.md", account)):
        changed = quote(CHECKOUT / document, write(sweep, histories))
        print(f"{document}: {'rewritten' if changed else 'as it was'}")
    return 0


def _sweep(options: argparse.Namespace) -> int:
    """1 where a run is not complete at the end, with a line for each; 130 after Ctrl-C."""
    from bitnet.conductor import Conductor, failures
    from bitnet.sweep import Sweep

    try:
        plan = Sweep.load(options.plan, options.notebook)
        conductor = Conductor(
            plan, options.runs_dir, options.device, options.precision, options.workers, options.engine
        )  # fmt: skip
        if options.dry_run:
            conductor.dry_run()
            return 0
        lines = failures(conductor.run())
    except KeyboardInterrupt:
        print("Stopped. The same command goes on from the last checkpoints.", file=sys.stderr)
        return 130
    for line in lines:
        print(line, file=sys.stderr)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
