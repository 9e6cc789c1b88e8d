"""The answer of a report, printed in a terminal."""

from pathlib import Path
from typing import Any

from bitnet.display.report import read_report
from bitnet.terminal import Terminal

__all__ = ["print_report"]

_FILES = (
    ("report.html", "all of it, opens offline in a browser"),
    ("verdict.json", "the same as data"),
    ("traces", "what each run left"),
)


def print_report(folder: str | Path, console: Terminal | None = None) -> None:
    """Print the answer at this scale, that of the full runs, what is alike, and where the rest is.

    Raises: `HistoryError` where there is no report.
    """
    facts = read_report(folder)
    console = console or Terminal()

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
    for name, what in _FILES:
        console.print(f"  {Path(folder) / name}  {what}", soft_wrap=True)


def _beside(found: dict[str, Any] | None, say: Any) -> None:
    """The registered full runs; only a checkout has them."""
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
