"""The claims of the committed notebooks: nbval passes them, and fails on every broken one."""

import nbformat

from tests.support.notebooks import code_cells, every_notebook, nbval, read, tagged


@every_notebook
def test_nbval_passes_and_fails_on_every_broken_claim(committed_runs, tmp_path, path):
    """The notebook as it is, and after its claims a copy for every line, with that line changed."""
    notebook = read(path)
    cells = len(code_cells(notebook))
    broken = 0
    for index, cell in reversed([*enumerate(notebook.cells)]):
        if cell not in tagged(notebook, "nbval-check-output"):
            continue
        copies = []
        # A busy kernel may send what a cell prints in several pieces.
        lines = "".join(output["text"] for output in cell.outputs).splitlines(keepends=True)
        for number, line in enumerate(lines):
            copy = nbformat.from_dict(cell | {"id": f"broken-{index}-{number}"})
            changed = line.replace("True", "Fals").rstrip("\n") + " not\n"
            text = "".join([*lines[:number], changed, *lines[number + 1 :]])
            copy.outputs = [nbformat.v4.new_output("stream", text=text)]
            copies.append(copy)
        notebook.cells[index + 1 : index + 1] = copies
        broken += len(copies)
    nbformat.write(notebook, tmp_path / "broken.ipynb")
    said = nbval(tmp_path / "broken.ipynb", committed_runs)
    assert f"{broken} failed, {cells} passed" in said, said
    assert broken >= 2
