"""Plan files: the runs they ask for, in order and once, under the names that the notebooks use; and what is refused."""

from pathlib import Path

import pytest

from bitnet import ParameterError, Plan
from bitnet.__main__ import main
from bitnet.sweep import Sweep

ROOT = Path(__file__).parent.parent


def load(folder, text, **named):
    path = folder / "plan.yaml"
    path.write_text(text)
    return Sweep.load(path, **named)


def test_the_committed_plan_asks_for_every_run_once_and_seed_0_first():
    runs = Sweep.load(ROOT / "params" / "plan.yaml").runs
    assert [(r.hidden, r.steps, r.seed, r.arm) for r in runs[:4]] == [
        (256, 20_000, 0, "l2-0.05"), (256, 20_000, 0, "l2-0.0"), (256, 20_000, 0, "adamw-0.0"), (256, 20_000, 0, "fp-l2-0.0"),
    ]  # fmt: skip
    assert [r.arm for r in runs[4:11]] == [
        "l2-0.1", "l2-reduced-lr", "l2-label-smoothing", "l2-grad-clip", "adamw-0.05", "no-decay", "fp-adamw-0.0",
    ]  # fmt: skip
    assert [(r.hidden, r.arm) for r in runs[11:14]] == [(512, "l2-0.05"), (512, "l2-0.0"), (512, "adamw-0.0")]
    assert [(r.hidden, r.steps, r.seed) for r in runs[14:]] == [(256, 20_000, seed) for seed in (1, 2) for _ in range(4)]
    assert len(runs) == len(set(runs)) == 22


def test_every_sweep_file_is_valid():
    files = [path for path in (ROOT / "params").glob("*.yaml") if "grids:" in path.read_text()]
    assert {path.stem for path in files} >= {"plan", "sweep-quick"}
    for path in files:
        assert Sweep.load(path).notebook is None


def test_cells_that_grids_share_run_once(tmp_path):
    text = (
        "grids:\n- {hidden: 16, steps: 8, arms: 'l2-0.0,adamw-0.0'}\n- {hidden: 16, steps: 8, arms: adamw-0.0, seeds: [0, 1]}\n"
    )
    assert [(r.arm, r.seed) for r in load(tmp_path, text).runs] == [("l2-0.0", 0), ("adamw-0.0", 0), ("adamw-0.0", 1)]


def test_seeds_vary_slowest_and_arms_fastest(tmp_path):
    text = "grids: [{hidden: [16, 24], steps: [8, 9], arms: [l2-0.0, no-decay], seeds: [1, 0]}]"
    runs = load(tmp_path, text).runs
    assert [(r.seed, r.hidden, r.steps, r.arm) for r in runs][:5] == [
        (1, 16, 8, "l2-0.0"), (1, 16, 8, "no-decay"), (1, 16, 9, "l2-0.0"), (1, 16, 9, "no-decay"), (1, 24, 8, "l2-0.0"),
    ]  # fmt: skip
    assert [r.seed for r in runs] == [1] * 8 + [0] * 8


def test_a_sweeps_runs_are_those_of_the_notebooks(tmp_path):
    plan = Plan(hidden=256, steps=20_000, arms="l2-0.05,l2-0.0", seeds="0,1", device="cpu")
    swept = load(tmp_path, "grids: [{hidden: 256, steps: 2e4, arms: [l2-0.05, l2-0.0], seeds: [0, 1]}]").runs
    assert swept == plan.runs
    assert [r.identity("f", "cpu") for r in swept] == [r.identity("f", "cpu") for r in plan.runs]


def test_a_notebook_is_found_here_beside_the_file_or_in_notebooks(tmp_path, monkeypatch):
    grids = "\ngrids: [{hidden: 16, steps: 8, arms: l2-0.0}]"
    (tmp_path / "params").mkdir()
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "a.ipynb").touch()
    assert load(tmp_path / "params", f"notebook: a.ipynb{grids}").notebook == tmp_path / "notebooks" / "a.ipynb"
    (tmp_path / "params" / "a.ipynb").touch()
    assert load(tmp_path / "params", f"notebook: a.ipynb{grids}").notebook == tmp_path / "params" / "a.ipynb"
    monkeypatch.chdir(tmp_path / "notebooks")
    assert load(tmp_path / "params", grids, notebook="a.ipynb").notebook == tmp_path / "notebooks" / "a.ipynb"
    assert load(tmp_path / "params", f"notebook: a.ipynb{grids}", notebook="").notebook is None


def grid(**changes):
    """One grid as YAML, with some of its values replaced, or left out where they are None."""
    values = {"hidden": "16", "steps": "8", "arms": "[l2-0.0]"} | changes
    return "grids: [{" + ", ".join(f"{key}: {value}" for key, value in values.items() if value is not None) + "}]"


BAD = [
    ("", "plan = ", "must hold the keys notebook, grids"),
    ("- 1", "plan = ", "must hold the keys notebook, grids"),
    ("grids: [", "plan = ", "not YAML"),
    ("a: b: c", "plan = ", "line 1, column 5"),
    ("grids: !!python/object:os.system {}", "plan = ", "not YAML"),
    ("[" * 20_000, "plan = ", "not YAML"),
    ("grids: []\ngrids: []", "plan = ", "the key 'grids' is given twice"),
    ("[1, 2]: 3", "plan = ", "not YAML"),
    ("grid: []", "key = 'grid'", "did you mean 'grids'"),
    ("7: []", "key = 7", "must be one of notebook, grids"),
    ("notebook: verify.ipynb", "grids = None", "must be a list of grids"),
    ("grids:", "grids = None", "must be a list of grids"),
    ("grids: []", "grids = []", "must be a list of grids"),
    ("grids: {hidden: 16}", "grids = {'hidden': 16}", "must be a list of grids"),
    ("grids: [7]", "grids[0] = 7", "must have the keys hidden, steps"),
    ("grids: [[{hidden: 16}]]", "grids[0] = [", "must have the keys"),
    ("grids: [{}]", "grids[0] = {}", "hidden, steps, arms must be given"),
    (grid(hidden=None), "grids[0] = ", "hidden must be given"),
    (grid(arm="l2-0.0"), "key of grids[0] = 'arm'", "did you mean 'arms'"),
    (grid(seed=0), "key of grids[0] = 'seed'", "did you mean 'seeds'"),
    (grid(hiden=16), "key of grids[0] = 'hiden'", "did you mean 'hidden'"),
    (grid(eval_every=3), "key of grids[0] = 'eval_every'", "must be one of hidden, steps"),
    (grid(hidden="wide"), "grids[0].hidden = 'wide'", "whole number"),
    (grid(hidden=".nan"), "grids[0].hidden = nan", "whole number"),
    (grid(hidden="true"), "grids[0].hidden = True", "whole number"),
    (grid(hidden=""), "grids[0].hidden = None", "whole number"),
    (grid(hidden=0), "grids[0].hidden = 0", "at least 1"),
    (grid(hidden=250), "hidden = 250", "multiple of 8"),
    (grid(hidden="[]"), "grids[0].hidden = []", "a list of different ones"),
    (grid(hidden="[16, 16]"), "grids[0].hidden = [16, 16]", "a list of different ones"),
    (grid(hidden="[[16]]"), "grids[0].hidden = [16]", "whole number"),
    (grid(hidden="{a: 16}"), "grids[0].hidden = {'a': 16}", "one value or a list"),
    (grid(hidden="2020-01-01"), "grids[0].hidden = datetime", "whole number"),
    (grid(steps=7), "grids[0].steps = 7", "at least 8"),
    (grid(steps=0), "grids[0].steps = 0", "at least 8"),
    (grid(steps=8.5), "grids[0].steps = 8.5", "whole number"),
    (grid(steps=".inf"), "grids[0].steps = inf", "whole number"),
    (grid(arms="[l2-0.5]"), "grids[0].arms = 'l2-0.5'", "did you mean 'l2-0.05'"),
    (grid(arms="[]"), "grids[0].arms = []", "one or more"),
    (grid(arms="[l2-0.0, l2-0.0]"), "grids[0].arms = [", "each once"),
    (grid(arms="[[l2-0.0]]"), "grids[0].arms = ['l2-0.0']", "must be one of"),
    (grid(arms="{l2-0.0: 1}"), "grids[0].arms = {", "one value or a list"),
    (grid(arms=3), "grids[0].arms = 3", "must be one of"),
    (grid(seeds=-1), "grids[0].seeds = -1", "from 0"),
    (grid(seeds="one"), "grids[0].seeds = 'one'", "whole number"),
    (grid(seeds="[0, 0]"), "grids[0].seeds = [0, 0]", "different"),
    (grid(seeds="[[0]]"), "grids[0].seeds = [0]", "whole number"),
    (grid(corpus="wikitext2"), "corpus = 'wikitext2'", "did you mean 'wikitext-2'"),
    (grid(corpus="/no/such.txt"), "corpus = '/no/such.txt'", "no such file"),
    (grid(corpus=7), "corpus = 7", "must be one of"),
    (grid() + "\nnotebook: 7", "notebook = 7", "name of an .ipynb file"),
    (grid() + "\nnotebook: [a.ipynb]", "notebook = ['a.ipynb']", "name of an .ipynb file"),
    (grid() + "\nnotebook: verify.py", "notebook = 'verify.py'", "name of an .ipynb file"),
    (grid() + "\nnotebook: absent.ipynb", "notebook = 'absent.ipynb'", "no such file"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "named", "allowed"), BAD, ids=range(len(BAD)))
def test_a_bad_plan_file_is_refused_in_one_line(tmp_path, text, named, allowed):
    with pytest.raises(ParameterError) as error:
        load(tmp_path, text)
    message = str(error.value)
    assert message.startswith(named)
    assert allowed in message
    assert "\n" not in message


def test_files_that_cannot_be_read_are_refused_in_one_line(tmp_path):
    (tmp_path / "bytes.yaml").write_bytes(b"grids: \xff")
    for name, allowed in (("absent.yaml", "No such file"), ("", "cannot be read"), ("bytes.yaml", "not YAML")):
        with pytest.raises(ParameterError) as error:
            Sweep.load(tmp_path / name)
        assert allowed in str(error.value)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--engine", "dask"], "ParameterError: engine = 'dask': must be one of pool, ray"),
        (["--workers", "0"], "ParameterError: workers = '0': must be a whole number of at least 1"),
        (["--workers", "two"], "ParameterError: workers = 'two': must be a whole number of at least 1"),
        (["--device", "gpu"], "ParameterError: device = 'gpu': must be auto, cpu, cuda"),
        (["--device", "cuda:99"], "ParameterError: device = 'cuda:99'"),
        (["--precision", "fp16"], "ParameterError: precision = 'fp16': must be one of auto, float32, bfloat16"),
        (["--runs-dir", __file__], "ParameterError: runs_dir = "),
        (["--notebook", "absent.ipynb"], "ParameterError: notebook = 'absent.ipynb': no such file"),
        (["--notebook", "{tmp}/text.ipynb"], "ParameterError: notebook = "),
    ],
)
def test_bad_options_end_in_one_line_and_begin_nothing(tmp_path, capsys, options, line):
    (tmp_path / "plan.yaml").write_text(grid())
    (tmp_path / "text.ipynb").write_text("no notebook")
    runs = ["--runs-dir", str(tmp_path / "runs")] if "--runs-dir" not in options else []
    options = [option.replace("{tmp}", str(tmp_path)) for option in options]
    assert main(["sweep", str(tmp_path / "plan.yaml"), *runs, *options]) == 1
    said = capsys.readouterr().err
    assert said.startswith(line)
    assert said.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_an_option_that_is_not_known_is_a_usage_error(tmp_path, capsys):
    with pytest.raises(SystemExit) as error:
        main(["sweep", "plan.yaml", "--worker", "2", "--nonsense"])
    assert error.value.code == 2
