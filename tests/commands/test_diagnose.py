"""`bitnet diagnose`: a folder of transformers and a run of ours, printed and as a page."""

import pytest

from bitnet.__main__ import main
from tests.support.folders import TEXT, gpt2_folder
from tests.support.pages import text_of

pytestmark = pytest.mark.long("transformers")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    gpt2_folder(folder)
    return folder


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return path


def test_a_model_of_transformers_is_diagnosed(model, text, tmp_path, capsys):
    out = tmp_path / "page.html"
    words = ["diagnose", str(model), "--text", str(text), "--out", str(out), "--positions", "310"]
    assert main([*words, "--device", "cpu"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert said.out.startswith(f"{model.name}: dead\nGPT2LMHeadModel, ")
    assert "warning: dead: every prediction is uniform" in said.out
    assert said.out.endswith(f"{out}  all of it, opens offline in a browser\n")
    page = out.read_text()
    assert "GPT2LMHeadModel" in text_of(page)
    assert str(model) not in page  # it may be sent to others


def test_a_run_of_ours_is_diagnosed_with_its_recipe(study, lines, tmp_path, monkeypatch, capsys):
    _, runs, _ = study
    (run,) = runs.glob("l2-0.05-*")
    monkeypatch.chdir(tmp_path)
    assert main(["diagnose", str(run), "--text", str(lines), "--device", "cpu"]) == 0
    assert "Adam with weight_decay=0.1 adds the decay" in " ".join(capsys.readouterr().out.split())
    assert [path.name for path in tmp_path.iterdir()] == ["diagnosis.html"]


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"--text": "absent.txt"}, "text = 'absent.txt': cannot be read as a UTF-8 text ("),
        ({"--text": "binary"}, "text = 'binary': cannot be read as a UTF-8 text ("),
        ({"--text": "short"}, "tokens of the text = 5: must be a whole number of at least 4096"),
        ({"--out": "taken"}, "out = 'taken': is taken, and must be a new file"),
        ({"--positions": "many"}, "positions = 'many': must be a whole number"),
        ({"--device": "gpu"}, "device = 'gpu': "),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_left(
    changed, match, model, text, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe" * 100)
    (tmp_path / "short").write_text("short")
    (tmp_path / "taken").write_text("kept")
    before = sorted(tmp_path.iterdir())
    given = {"--text": str(text)} | changed
    assert main(["diagnose", str(model), *(w for pair in given.items() for w in pair)]) == 1
    said = capsys.readouterr()
    assert said.err.startswith(f"ParameterError: {match}")
    assert said.err.count("\n") == 1
    assert said.out == ""
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "taken").read_text() == "kept"


def test_a_tokenizer_of_another_model_is_refused(text, tmp_path, capsys):
    folder = tmp_path / "model"
    folder.mkdir()
    gpt2_folder(folder, size=299)
    assert main(["diagnose", str(folder), "--text", str(text), "--device", "cpu"]) == 1
    assert capsys.readouterr().err.startswith("ParameterError: tokenizer = '300 tokens': must have")
