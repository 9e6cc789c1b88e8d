"""What is printed: a text is shown as it stands, neither as markup nor as what a terminal obeys."""

from collections.abc import Callable
from typing import Any, TextIO

from rich.console import Console
from rich.text import Text

from bitnet.checks import printable

__all__ = ["Terminal", "escaped", "say"]


class Terminal(Console):
    """A console of `rich` for texts that came from files; styles are given apart from them."""

    def __init__(self, **options: Any):
        super().__init__(highlight=False, markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Every string that `rich` prints goes through this, the cells of tables too."""
        return super().render_str(printable(text), **options)


def escaped(log: Callable[[str], object]) -> Callable[[str], None]:
    """A callback for lines, which gets each as it may be printed; see `printable`.

    Names and texts of files are in them, and whoever gives a callback may print what it hears.
    """

    def tell(line: str) -> None:
        log(printable(line))

    return tell


def say(line: object = "", file: TextIO | None = None) -> None:
    """Print a line to `file` (None: standard output)."""
    print(printable(line), file=file)
