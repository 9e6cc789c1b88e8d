"""Grid files: their runs, in order and once, as the notebooks name them; and what is refused."""

from pathlib import Path

import pytest

from bitnet import ParameterError, Plan, RunConfig
from bitnet.runs.grid import Grid
from tests.support.grids import one_grid

ROOT = Path(__file__).parents[2]


def load(folder, text, **named):
    path = folder / "grid.yaml"
    path.write_text(text)
    return Grid.load(path, **named)


def test_the_committed_plan_asks_for_every_run_once_and_seed_0_first():
    runs = Grid.load(ROOT / "params" / "plan.yaml").runs
    assert [(r.hidden, r.steps, r.seed, r.arm) for r in runs[:4]] == [
        (256, 20_000, 0, "l2-0.05"),
        (256, 20_000, 0, "l2-0.0"),
        (256, 20_000, 0, "adamw-0.0"),
        (256, 20_000, 0, "fp-l2-0.0"),
    ]
    assert [r.arm for r in runs[4:11]] == [
        "l2-0.1",
        "l2-reduced-lr",
        "l2-label-smoothing",
        "l2-grad-clip",
        "adamw-0.05",
        "no-decay",
        "fp-adamw-0.0",
    ]
    assert [(r.hidden, r.arm) for r in runs[11:14]] == [
        (512, "l2-0.05"),
        (512, "l2-0.0"),
        (512, "adamw-0.0"),
    ]
    assert [(r.hidden, r.steps, r.seed) for r in runs[14:]] == [
        (256, 20_000, seed) for seed in (1, 2) for _ in range(4)
    ]
    assert len(runs) == len(set(runs)) == 22


def test_every_grid_file_is_valid():
    files = [path for path in (ROOT / "params").glob("*.yaml") if "grids:" in path.read_text()]
    assert {path.stem for path in files} >= {"plan", "sweep-quick"}
    for path in files:
        assert Grid.load(path).notebook is None


def test_a_committed_grid_file_is_found_from_every_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    grid = Grid.load("params/plan.yaml", "notebooks/verify.ipynb")
    assert len(grid.runs) == 22
    assert grid.notebook == ROOT / "notebooks" / "verify.ipynb"
    (tmp_path / "params").mkdir()
    (tmp_path / "params" / "plan.yaml").write_text(one_grid())
    assert len(Grid.load("params/plan.yaml").runs) < 22
    with pytest.raises(ParameterError, match=r"^grid = 'params/absent\.yaml': cannot be read"):
        Grid.load("params/absent.yaml")


def test_runs_that_grids_share_are_there_once(tmp_path):
    text = """
grids:
- {hidden: 16, steps: 8, arms: 'l2-0.0,adamw-0.0'}
- {hidden: 16, steps: 8, arms: adamw-0.0, seeds: [0, 1]}
"""
    assert [(r.arm, r.seed) for r in load(tmp_path, text).runs] == [
        ("l2-0.0", 0),
        ("adamw-0.0", 0),
        ("adamw-0.0", 1),
    ]


def test_an_arm_may_be_given_by_its_overrides(tmp_path):
    text = """
grids:
- hidden: 16
  steps: 8
  arms:
  - l2-0.0
  - {base: adamw-0.0, peak_lr: 3e-3}
  - adamw-0.0+decay=0.01
  - base: fp-l2-0.0
    decay: 0.1
- {hidden: 16, steps: 8, arms: {base: adamw-0.0, peak_lr: 0.003}}
- {hidden: 16, steps: 8, arms: 'l2-0.0,adamw-0.0+peak_lr=0.003'}
"""
    runs = load(tmp_path, text).runs
    assert [r.arm for r in runs] == [
        "l2-0.0",
        "adamw-0.0+peak_lr=0.003",
        "adamw-0.0+decay=0.01",
        "fp-l2-0.0+decay=0.1",
    ]
    assert [r.recipe.peak_lr for r in runs] == [1.5e-3, 3e-3, 1.5e-3, 1.5e-3]


def test_seeds_vary_slowest_and_arms_fastest(tmp_path):
    text = "grids: [{hidden: [16, 24], steps: [8, 9], arms: [l2-0.0, no-decay], seeds: [1, 0]}]"
    runs = load(tmp_path, text).runs
    assert [(r.seed, r.hidden, r.steps, r.arm) for r in runs][:5] == [
        (1, 16, 8, "l2-0.0"),
        (1, 16, 8, "no-decay"),
        (1, 16, 9, "l2-0.0"),
        (1, 16, 9, "no-decay"),
        (1, 24, 8, "l2-0.0"),
    ]
    assert [r.seed for r in runs] == [1] * 8 + [0] * 8


def test_a_grids_runs_are_those_of_the_notebooks(tmp_path):
    plan = Plan(
        hidden=256, steps=20_000, arms="l2-0.05,l2-0.0", seeds="0,1", device="cpu", scale="full"
    )
    text = "grids: [{hidden: 256, steps: 2e4, arms: [l2-0.05, l2-0.0], seeds: [0, 1]}]"
    runs = load(tmp_path, text).runs
    assert runs == plan.runs
    assert [r.identity("f", "cpu") for r in runs] == [r.identity("f", "cpu") for r in plan.runs]


def test_a_scale_and_arms_are_a_whole_grid(tmp_path):
    runs = load(tmp_path, "grids: [{scale: miniature, arms: [l2-0.05, l2-0.0]}]").runs
    assert runs == Plan(arms="l2-0.05,l2-0.0", scale="miniature", device="cpu").runs
    assert load(tmp_path, "grids: [{scale: full, arms: l2-0.0}]").runs == (RunConfig("l2-0.0"),)


def test_what_a_grid_says_goes_before_its_scale(tmp_path):
    text = "grids: [{scale: miniature, hidden: 32, batch_size: 2, arms: l2-0.0}]"
    assert load(tmp_path, text).runs == (
        RunConfig("l2-0.0", hidden=32, steps=6000, batch_size=2, vocabulary=4096),
    )


def test_a_grid_without_a_scale_is_of_the_full_one_also_on_a_cpu(tmp_path):
    assert load(tmp_path, one_grid()).runs == (RunConfig("l2-0.0", hidden=16, steps=8),)


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("vocabulary", [300, 50257]),
        ("order", [0, 7, 1]),
        ("batch_size", [4, 8]),
        ("sequence_length", [16, 32]),
    ],
)
def test_any_size_may_be_a_list(tmp_path, key, values):
    runs = load(tmp_path, one_grid(**{key: values})).runs
    assert [getattr(run, key) for run in runs] == values
    assert len({run.identity("text", "cpu") for run in runs}) == len(values)


def test_orders_vary_after_seeds_and_before_sizes(tmp_path):
    runs = load(tmp_path, one_grid(order="[0, 1]", seeds="[0, 1]", vocabulary="[300, 400]")).runs
    assert [(r.seed, r.order, r.vocabulary) for r in runs] == [
        (0, 0, 300), (0, 0, 400), (0, 1, 300), (0, 1, 400),
        (1, 0, 300), (1, 0, 400), (1, 1, 300), (1, 1, 400),
    ]  # fmt: skip


def test_a_notebook_is_found_here_beside_the_file_or_in_notebooks(tmp_path, monkeypatch):
    grids = "\ngrids: [{hidden: 16, steps: 8, arms: l2-0.0}]"
    params, notebooks = tmp_path / "params", tmp_path / "notebooks"
    for folder in (params, notebooks):
        folder.mkdir()
    (notebooks / "a.ipynb").touch()
    assert load(params, f"notebook: a.ipynb{grids}").proposed == notebooks / "a.ipynb"
    (params / "a.ipynb").touch()
    assert load(params, f"notebook: a.ipynb{grids}").proposed == params / "a.ipynb"
    monkeypatch.chdir(notebooks)
    assert load(params, grids, notebook="a.ipynb").notebook == notebooks / "a.ipynb"


def test_a_notebook_is_executed_only_if_the_caller_names_it(tmp_path, monkeypatch):
    grids = "notebook: a.ipynb\ngrids: [{hidden: 16, steps: 8, arms: l2-0.0}]"
    (tmp_path / "a.ipynb").touch()
    assert load(tmp_path, grids).notebook is None
    none = load(tmp_path, grids, notebook="")
    assert none.notebook is none.proposed is None
    monkeypatch.chdir("/")
    with pytest.raises(ParameterError, match="no such file"):  # never the one beside the file
        load(tmp_path, grids, notebook="a.ipynb")


def test_aliases_and_much_nesting_are_refused_soon(tmp_path):
    layers = [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    texts = {
        "aliases": "\n".join(["a0: &a0 [x]", *layers, "grids: *a29"]),
        "merge": "grids: [&a {hidden: 16}, {<<: *a}]",
        "nested": f"grids: {'[' * 100_000}",
        "number": f"grids: [{{hidden: 0x{'f' * 100_000}, steps: 8, arms: l2-0.0}}]",
        "large": f"# {'x' * 2**18}",
    }
    for name, text in texts.items():
        with pytest.raises(ParameterError) as error:
            load(tmp_path, text)
        said = str(error.value)
        assert "\n" not in said and len(said) < 1000, name
    # What PyYAML itself takes is still short where it is told.
    assert len(str(ParameterError("arms", [[["x" * 10**6] * 10**6]] * 10**6, "no"))) < 1000


BAD = [
    ("", "grid = ", "must hold the keys notebook, grids"),
    ("- 1", "grid = ", "must hold the keys notebook, grids"),
    ("grids: [", "grid = ", "not YAML"),
    ("a: b: c", "grid = ", "line 1, column 5"),
    ("grids: !!python/object:os.system {}", "grid = ", "not YAML"),
    ("[" * 20_000, "grid = ", "not YAML"),
    ("grids: []\ngrids: []", "grid = ", "the key 'grids' is given twice"),
    ("[1, 2]: 3", "grid = ", "not YAML"),
    ("grid: []", "key = 'grid'", "did you mean 'grids'"),
    ("7: []", "key = 7", "must be one of notebook, grids"),
    ("notebook: verify.ipynb", "grids = None", "must be a list of grids"),
    ("grids:", "grids = None", "must be a list of grids"),
    ("grids: []", "grids = []", "must be a list of grids"),
    ("grids: {hidden: 16}", "grids = {'hidden': 16}", "must be a list of grids"),
    ("grids: [7]", "grids[0] = 7", "must have the keys scale, hidden, steps"),
    ("grids: [[{hidden: 16}]]", "grids[0] = [", "must have the keys"),
    ("grids: [{}]", "grids[0] = {}", "hidden, steps, arms must be given"),
    (one_grid(hidden=None), "grids[0] = ", "hidden must be given"),
    (one_grid(arm="l2-0.0"), "key of grids[0] = 'arm'", "did you mean 'arms'"),
    (one_grid(seed=0), "key of grids[0] = 'seed'", "did you mean 'seeds'"),
    (one_grid(hiden=16), "key of grids[0] = 'hiden'", "did you mean 'hidden'"),
    (one_grid(eval_every=3), "key of grids[0] = 'eval_every'", "one of scale, hidden, steps"),
    (one_grid(hidden="wide"), "grids[0].hidden = 'wide'", "whole number"),
    (one_grid(hidden=".nan"), "grids[0].hidden = nan", "whole number"),
    (one_grid(hidden="true"), "grids[0].hidden = True", "whole number"),
    (one_grid(hidden=""), "grids[0].hidden = None", "whole number"),
    (one_grid(hidden=0), "grids[0].hidden = 0", "at least 1"),
    (one_grid(hidden=250), "hidden = 250", "multiple of 8"),
    (one_grid(hidden="[]"), "grids[0].hidden = []", "a list of different ones"),
    (one_grid(hidden="[16, 16]"), "grids[0].hidden = [16, 16]", "a list of different ones"),
    (one_grid(hidden="[[16]]"), "grids[0].hidden = [16]", "whole number"),
    (one_grid(hidden="{a: 16}"), "grids[0].hidden = {'a': 16}", "one value or a list"),
    (one_grid(hidden="2020-01-01"), "grids[0].hidden = datetime", "whole number"),
    (one_grid(steps=7), "grids[0].steps = 7", "at least 8"),
    (one_grid(steps=0), "grids[0].steps = 0", "at least 8"),
    (one_grid(steps=8.5), "grids[0].steps = 8.5", "whole number"),
    (one_grid(steps=".inf"), "grids[0].steps = inf", "whole number"),
    (one_grid(arms="[l2-0.5]"), "grids[0].arms = 'l2-0.5'", "did you mean 'l2-0.05'"),
    (one_grid(arms="[]"), "grids[0].arms = []", "one or more"),
    (one_grid(arms="[l2-0.0, l2-0.0]"), "grids[0].arms = [", "each once"),
    (one_grid(arms="[[l2-0.0]]"), "grids[0].arms = ['l2-0.0']", "must be one of"),
    (one_grid(arms="{l2-0.0: 1}"), "grids[0].arms = {", "needs a base"),
    (one_grid(arms="{base: l2}"), "grids[0].arms: base = 'l2'", "must be one of"),
    (one_grid(arms="[{base: l2-0.0, lr: 1}]"), "grids[0].arms: field of an arm = 'lr'", "one of"),
    (one_grid(arms="{base: l2-0.0, decay: 2}"), "grids[0].arms: decay = 2", "from 0.0 to 1.0"),
    (one_grid(arms="l2-0.0+peak_lr=x"), "grids[0].arms: peak_lr = 'x'", "must be a number"),
    (one_grid(arms=3), "grids[0].arms = 3", "must be one of"),
    (one_grid(seeds=-1), "grids[0].seeds = -1", "from 0"),
    (one_grid(seeds="one"), "grids[0].seeds = 'one'", "whole number"),
    (one_grid(seeds="[0, 0]"), "grids[0].seeds = [0, 0]", "different"),
    (one_grid(seeds="[[0]]"), "grids[0].seeds = [0]", "whole number"),
    (one_grid(scale="tiny"), "grids[0].scale = 'tiny'", "must be one of full, miniature"),
    (one_grid(scale="auto"), "grids[0].scale = 'auto'", "must be one of full, miniature"),
    (one_grid(scale="[full]"), "grids[0].scale = ['full']", "must be one of full, miniature"),
    (one_grid(scale="full", arms=None), "grids[0] = ", "arms must be given"),
    (one_grid(vocabulary=255), "grids[0].vocabulary = 255", "at least 256"),
    (one_grid(vocabulary=65536), "vocabulary = 65536", "from 256 to 65535"),
    (one_grid(vocabulary="[300, 300]"), "grids[0].vocabulary = [", "a list of different ones"),
    (one_grid(vocabulary="gpt2"), "grids[0].vocabulary = 'gpt2'", "whole number"),
    (one_grid(batch_size=0), "grids[0].batch_size = 0", "at least 1"),
    (one_grid(sequence_length=1), "grids[0].sequence_length = 1", "at least 2"),
    (one_grid(sequence_length=1025), "sequence_length = 1025", "from 2 to 1024"),
    (one_grid(order=-1), "grids[0].order = -1", "at least 0"),
    (one_grid(order=2**31), "order = 2147483648", "from 0 to 2147483647"),
    (one_grid(order="[1, 1]"), "grids[0].order = [1, 1]", "a list of different ones"),
    (one_grid(order="first"), "grids[0].order = 'first'", "whole number"),
    (one_grid(corpus="wikitext2"), "corpus = 'wikitext2'", "did you mean 'wikitext-2'"),
    (one_grid(corpus="/no/such.txt"), "corpus = '/no/such.txt'", "no such file"),
    (one_grid(corpus=7), "corpus = 7", "must be one of"),
    (one_grid() + "\nnotebook: 7", "notebook = 7", "name of an .ipynb file"),
    (one_grid() + "\nnotebook: [a.ipynb]", "notebook = ['a.ipynb']", "name of an .ipynb file"),
    (one_grid() + "\nnotebook: verify.py", "notebook = 'verify.py'", "name of an .ipynb file"),
    (one_grid() + "\nnotebook: absent.ipynb", "notebook = 'absent.ipynb'", "no such file"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "named", "allowed"), BAD, ids=range(len(BAD)))
def test_a_bad_grid_file_is_refused_in_one_line(tmp_path, text, named, allowed):
    with pytest.raises(ParameterError) as error:
        load(tmp_path, text)
    message = str(error.value)
    assert message.startswith(named)
    assert allowed in message
    assert "\n" not in message


def test_files_that_cannot_be_read_are_refused_in_one_line(tmp_path):
    (tmp_path / "bytes.yaml").write_bytes(b"grids: \xff")
    for name, allowed in (
        ("absent.yaml", "No such file"),
        ("", "cannot be read"),
        ("bytes.yaml", "not YAML"),
    ):
        with pytest.raises(ParameterError) as error:
            Grid.load(tmp_path / name)
        assert allowed in str(error.value)
        assert "\n" not in str(error.value)
