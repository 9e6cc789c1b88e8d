"""The explorer: what finished runs predicted at any step of their training, side by side."""

from collections.abc import Sequence

from bitnet.analysis.hypotheses import RIVAL
from bitnet.analysis.results import load_results
from bitnet.arms import BROKEN, FIX
from bitnet.data import Corpus
from bitnet.display.groups import together
from bitnet.display.pages import player, render
from bitnet.runs.history import History
from bitnet.scales import FULL

__all__ = ["MOST", "Explorer", "explore", "full_runs"]

MOST = 8  # runs to choose from; each adds 15 kB to a notebook


def full_runs(
    hidden: int = 256, seed: int = 0, among: Sequence[History] | None = None
) -> list[History]:
    """The committed runs of full length: the broken setting, the fix, and AdamW.

    `among` are the committed runs where they have been read already.

    Raises: `HistoryError` where there are none.
    """
    if among is None:
        among = load_results(hidden=hidden, steps=FULL.steps, seed=seed)
    size = (hidden, FULL.steps, seed)
    found = [h for h in among if (h.config.hidden, h.config.steps, h.config.seed) == size]
    by_arm = {history.config.arm: history for history in found}
    return [by_arm[arm] for arm in (BROKEN, FIX, RIVAL) if arm in by_arm]


def explore(histories: Sequence[History] | None = None, corpus: Corpus | None = None) -> "Explorer":
    """Runs side by side, with a slider over their steps: the last line of a notebook's cell.

    `histories` (None: the committed full runs, see `full_runs`) need no weights; one run is shown
    of each arm, size, length and corpus, and of these the first `MOST`, one of each arm before a
    second. With `corpus`, the openings are shown that the runs continue; a notebook that is saved
    then has that text in it.
    """
    histories = full_runs() if histories is None else list(histories)
    evaluated = [history for history in histories if history.evaluated]
    return Explorer([runs[0] for runs in together(evaluated).values()], corpus)


class Explorer:
    """A page of its own that works without a kernel, in a saved notebook as in an open one."""

    def __init__(self, histories: Sequence[History], corpus: Corpus | None = None):
        self.data = player(histories, corpus, MOST)

    @property
    def page(self) -> str:
        """The explorer as an HTML page, which opens offline."""
        return render("explorer.html.j2", data=self.data)

    def _repr_html_(self) -> str:
        return render("explorer_cell.html.j2", data=self.data, page=self.page)

    def __repr__(self) -> str:
        return f"Explorer of {', '.join(run['label'] for run in self.data['runs']) or 'no runs'}"
