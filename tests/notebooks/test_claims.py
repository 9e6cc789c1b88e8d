"""The claims of the committed notebooks, which nbval compares after these tests (`make test`)."""

import os
import shutil

import nbformat
import pytest
import torch

from bitnet.analysis.results import load_results
from bitnet.runs.run import run
from bitnet.scales import MINIATURE
from tests.support.notebooks import NOTEBOOKS, ROOT, nbval, plan_of, read, tagged

# The runs that the committed notebooks take, each once.
PLANS = [plan for path in NOTEBOOKS if (plan := plan_of(path))]
RUNS = {config: plan for plan in PLANS for config in plan.runs}
FOLDERS = (ROOT / MINIATURE.results, ROOT / "results" / "exploratory-runs")
COMMITTED = {h.config: h.folder for folder in FOLDERS for h in load_results(folder)}
COSTLY_FIRST = sorted(RUNS, key=lambda config: -config.hidden * config.steps)


@pytest.mark.long
@pytest.mark.skipif(
    "BITNET_TEST_RUNS" not in os.environ, reason="nbval trains what it needs, if it is not there"
)
@pytest.mark.parametrize("config", COSTLY_FIRST, ids=lambda config: config.name)
def test_a_run_of_the_committed_notebooks_is_ready_for_nbval(runs, config):
    """One test a run, so that the processes side by side share the work.

    A committed run is taken as it is: training it is the matter of `make verify` in CI.
    """
    plan = RUNS[config]
    if config in COMMITTED:
        shutil.copytree(COMMITTED[config], runs / COMMITTED[config].name)
        return
    text = plan.load_corpus(log=lambda line: None)
    assert torch.get_num_threads() == 1  # as nbval's kernels have: sums depend on it
    history = run(config, text, runs, plan.backend, log=lambda line: None)
    assert history.complete
    assert history.evaluated
    assert history.manifest["device"].get("threads", 1) == 1


def test_nbval_fails_on_every_broken_claim(tmp_path):
    """All that the claims printed, printed again, and after each a copy for every line, broken."""
    cells, broken = [], 0
    for path in NOTEBOOKS:
        lines = 0
        for number, cell in enumerate(tagged(read(path), "nbval-check-output")):
            assert "nbval" not in cell.source.lower(), "a comment that may stop the comparison"
            # A busy kernel may send what a cell prints in several pieces.
            text = "".join(output["text"] for output in cell.outputs)
            again = cell | {"id": f"{path.stem}-{number}", "source": f"print({text!r}, end='')"}
            copies = [again | copy for copy in broken_copies(text, again["id"])]
            cells += map(nbformat.from_dict, [again, *copies])
            lines += len(copies)
        assert lines >= 2
        broken += lines
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=read(NOTEBOOKS[0]).metadata)
    nbformat.write(notebook, tmp_path / "broken.ipynb")
    said = nbval(tmp_path / "broken.ipynb")
    assert f"{broken} failed, {len(cells) - broken} passed" in said, said


def broken_copies(text, name):
    """For every line that a claim prints: another id, and an output that has this line changed."""
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines):
        changed = line.replace("True", "Fals").rstrip("\n") + " not\n"
        other = "".join([*lines[:number], changed, *lines[number + 1 :]])
        output = nbformat.v4.new_output("stream", text=other)
        yield {"id": f"{name}-broken-{number}", "outputs": [output]}
