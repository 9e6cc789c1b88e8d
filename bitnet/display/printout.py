"""The answer of a report, printed in a terminal."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bitnet.display.bundle import read_bundle
from bitnet.display.report import read_report
from bitnet.terminal import Terminal

__all__ = ["print_bundle", "print_report"]

_FILES = (
    ("report.html", "all of it, opens offline in a browser"),
    ("verdict.json", "the same as data"),
    ("traces", "what each run left"),
)


def print_bundle(path: str | Path, console: Terminal | None = None) -> None:
    """Print the answer of a file of `bitnet verify-gpu`, what each run counted, and on what.

    Raises: `HistoryError` where it is no such file, or not whole.
    """
    bundle = read_bundle(path)
    console = console or Terminal()
    _print_facts(bundle.facts, console)
    environment = bundle.environment
    configs = [history.config for history in bundle.histories]
    for history, config in zip(bundle.histories, configs, strict=True):
        end = history.status
        if history.evaluated:
            tokens, state = history.measures.unique_tokens.iloc[-1], history.states.iloc[-1]
            end += f", {tokens:.0f} distinct tokens at its last evaluation, {state}"
        console.print(f"  {config.label(configs)}: {end}")
    where = f"{environment['device']}, torch {environment['torch']}, CUDA {environment['cuda']}"
    console.print(f"\nTrained on: {where}.")
    for warning in environment["warnings"]:
        console.print(f"WARNING: {warning}.", style="yellow")
    whole = f"{len(configs)} runs, whole by their checksums; the verdict is theirs"
    console.print(f"  {path}  {whole}", soft_wrap=True)


def print_report(folder: str | Path, console: Terminal | None = None) -> None:
    """Print the answer at this scale, that of the full runs, what is alike, and where the rest is.

    Raises: `HistoryError` where there is no report.
    """
    console = console or Terminal()
    _print_facts(read_report(folder), console)
    for name, what in _FILES:
        console.print(f"  {Path(folder) / name}  {what}", soft_wrap=True)


def _print_facts(facts: Mapping[str, Any], console: Terminal) -> None:
    def say(text: str = "", style: str = "") -> None:
        console.print(text, style=style, soft_wrap=False)

    say(f"\n{facts['question']}\n", "bold")
    say(_capital(facts["in_words"]) + ".", "bold")
    if facts["answer"] == "inconclusive":
        say(facts["reason"])
    _beside(facts["beside_full"], say)
    say()
    for question, answer, reason in facts["sub_answers"]:
        say(f"- {question} {answer.upper()}: {reason}")
    say(f"- The 20-prompt probe: {facts['prompt_probe']}\n")
    if found := facts.get("recommended"):
        say("A recipe to use instead: `recommended`, from committed runs.", "bold")
        say(f"{found}\n")


def _beside(found: dict[str, Any] | None, say: Any) -> None:
    """The registered full runs, where there are some."""
    if not found:
        return
    say(f"\nThe registered full runs: {found['answer']}.", "bold")
    alike, unlike = found["alike"], found["unlike"]
    if not alike and not unlike:
        say("Not compared: shorter runs than their plan show a beginning.")
        return
    say(f"\nThey agree in {len(alike)} of {len(alike) + len(unlike)}: {'; '.join(alike)}.")
    say("They do not agree in:" if unlike else "They disagree in nothing that was looked at.")
    for line in unlike:
        say(f"- {line}")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
