"""The documents: short lines, links and commands that work, examples that run, true numbers.

Every number that a person typed into README.md or results/README.md stands in `facts` below, next
to the computation from the committed runs that gives it.
"""

import itertools
import json
import math
import pkgutil
import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from bitnet import ARMS, MEASURES, Probe, Recipe, load_corpus
from bitnet.__main__ import COMMANDS as OF_THE_PACKAGE
from bitnet.__main__ import _parser
from bitnet.analysis.assessment import FAILS_BAR, LAST_QUARTER, WORKS_BAR
from bitnet.analysis.baselines import BASELINES, FILE, in_bits
from bitnet.analysis.cause import TABLE
from bitnet.analysis.dose import cells
from bitnet.analysis.markdown import quote
from bitnet.analysis.results import load_plan, load_results
from bitnet.analysis.summary import measures_table
from bitnet.config import BLOCK, BYTES, LARGEST_VOCABULARY
from bitnet.data import PIECE
from bitnet.decode import continue_prompts
from bitnet.evaluation import diversity
from bitnet.evaluation.passages import (
    GIVEN,
    GREEDY,
    HUMAN,
    MEASURED,
    NUCLEUS,
    PASSAGES,
    TOKENS,
    TOP_P,
    held_out_passages,
)
from bitnet.evaluation.repetition import LONGEST_PERIOD, TAIL, ends_in_loop, seq_rep_n
from bitnet.quant import MIN_SCALE
from bitnet.recipes import GROUPS
from bitnet.runs.grid import Grid
from bitnet.runs.history import FORMAT, VOCABULARY_FILE
from bitnet.runs.table import read_table
from bitnet.runs.trained import load
from bitnet.scales import FULL, MINIATURE, SCALES

ROOT = Path(__file__).parent.parent
NAMES = (
    "README.md", "results/README.md", "results/MINIATURE.md", "CONTRIBUTING.md", "CHANGELOG.md",
    "results/CAUSE.md",
)  # fmt: skip
DOCUMENTS = [*(ROOT / name for name in NAMES), *sorted((ROOT / "docs").glob("*.md"))]
IDS = [str(path.relative_to(ROOT)) for path in DOCUMENTS]
README, RESULTS, IN_MINIATURE = DOCUMENTS[:3]

LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
GENERATED = re.compile(r"^<!-- [^>]* -->\n.*?^<!-- end -->$", re.MULTILINE | re.DOTALL)
# What is there only after a command, and the brief's own scripts.
MADE = re.compile(
    r"(runs|build/site)(/.*)?|out\.ipynb|\.venv|.*\.safetensors|NAME\..*|(test_model|train)_\w+\.py"
)

every_document = pytest.mark.parametrize("path", DOCUMENTS, ids=IDS)


def fences(path: Path, *languages: str) -> list[str]:
    """The code blocks of a document, of these languages."""
    return [code for language, code in FENCE.findall(path.read_text()) if language in languages]


def without_code(text: str) -> str:
    return FENCE.sub("", text)


def spans(path: Path) -> list[str]:
    """What stands in backticks, each in one line."""
    found = re.findall(r"`([^`]+)`", without_code(path.read_text()))
    return [" ".join(span.split()) for span in found]


def prose(path: Path) -> list[str]:
    """The lines that a person wrote: no code, no table, nothing generated, no link's address."""
    text = LINK.sub(r"[\1]", GENERATED.sub("", without_code(path.read_text())))
    return [line for line in text.splitlines() if not line.startswith("|")]


def commands() -> list[tuple[str, str]]:
    """(document, command): the lines of shell blocks without comments, and those in backticks."""
    starts = ("bitnet ", "python -m", "papermill", "pytest", "make ", "jupyter")
    found = []
    for path, name in zip(DOCUMENTS, IDS, strict=True):
        lines = [line for code in fences(path, "", "bash") for line in code.splitlines()]
        lines = [re.sub(r"\s+#.*|^#.*", "", line).strip().removeprefix("srun ") for line in lines]
        lines = [re.sub(r"\$\w+", "0", line) for line in lines]
        found += [(name, line) for line in lines + spans(path) if line.startswith(starts)]
    return found


COMMANDS = commands()


def test_the_readme_answers_in_120_lines():
    assert len(README.read_text().splitlines()) <= 120


@every_document
def test_lines_are_short(path):
    assert [line for line in prose(path) if len(line) > 100] == []


@every_document
def test_links_lead_somewhere(path):
    for _, target in LINK.findall(without_code(path.read_text())):
        if target.startswith(("https://", "http://")):
            continue
        name, _, anchor = target.partition("#")
        other = (path.parent / name).resolve() if name else path
        assert other.exists(), target
        assert other.is_relative_to(ROOT), target
        assert not anchor or anchor in anchors(other), target


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    heads = re.findall(r"^#+ (.*)$", without_code(path.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def test_every_make_target_that_is_named_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        (name, target)
        for name, command in COMMANDS
        for target in re.findall(r"^make ([a-z-]+)", command)
    }
    assert {("README.md", "verify"), ("README.md", "test")} <= named
    assert [(name, target) for name, target in named if target not in targets] == []


def test_every_command_of_the_package_is_understood():
    starts = ("bitnet", "python -m bitnet")
    found = [
        (name, text, shlex.split(text.removeprefix(start)))
        for name, text in COMMANDS
        for start in starts
        if text == start or text.startswith(f"{start} ")
    ]
    assert {words[0] for _, _, words in found if words} >= set(OF_THE_PACKAGE)
    for name, text, words in found:
        if words in ([], ["--version"]):
            continue
        options = _parser(words).parse_args(words)  # exits where it does not understand
        grid, notebook = getattr(options, "grid", ""), getattr(options, "notebook", "")
        for file in (grid, notebook):
            assert not file or (ROOT / file).exists(), (name, text)


def test_a_run_of_the_full_size_says_so():
    """Without a scale a command means the miniature on a CPU, so a full width is not enough."""
    ours = [
        (name, text) for name, text in COMMANDS if re.match(r"(python -m )?bitnet |paper", text)
    ]
    assert len(ours) > 20
    for name, text in ours:
        if re.search(r"(--|-p )(hidden|steps) (256|512|20000)", text):
            assert re.search(r"(--|-p )scale full", text), (name, text)


def test_every_papermill_command_names_a_notebook_and_its_parameters():
    found = [(name, text) for name, text in COMMANDS if text.startswith("papermill")]
    assert any(text.endswith("-p hidden 512") for _, text in found)
    for name, text in found:
        words = shlex.split(text)
        notebook = ROOT / next(word for word in words if word.startswith("notebooks/"))
        known = parameters(notebook)
        for flag, value in itertools.pairwise(words):
            assert flag != "-p" or value in known, (name, text)
            assert flag != "-f" or (ROOT / value).exists(), (name, text)


def parameters(notebook: Path) -> set[str]:
    cells = json.loads(notebook.read_text())["cells"]
    (cell,) = (c for c in cells if "parameters" in c["metadata"].get("tags", ()))
    return set(re.findall(r"^(\w+): ", "".join(cell["source"]), re.MULTILINE))


def test_every_other_command_names_what_is_there():
    for name, text in COMMANDS:
        words = shlex.split(text)
        if words[:2] == ["python", "-m"]:
            assert exists(words[2]), (name, text)
        elif words[0] in ("pytest", "jupyter"):
            assert (ROOT / words[-1]).exists(), (name, text)


@every_document
def test_every_path_and_every_name_in_backticks_exists(path):
    if path.name == "CHANGELOG.md":  # it names what is gone
        return
    run = next((ROOT / "results" / "runs").iterdir())
    places = (ROOT, path.parent, run, ROOT / "params", ROOT / "notebooks")
    for span in spans(path):
        if re.fullmatch(r"bitnet(\.\w+)+", span):
            assert exists(span), span
        elif re.fullmatch(r"[\w.*-]+(/[\w.*-]*)+|[\w.*-]+\.(md|py|json|csv|yaml|ipynb)", span):
            there = any(any(place.glob(span.rstrip("/"))) for place in places)
            assert there or MADE.fullmatch(span), span


def exists(name: str) -> bool:
    """Whether there is a module, or something in one, of that name."""
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True


def test_the_changelog_names_what_is_gone_and_what_is_there():
    page = ROOT / "CHANGELOG.md"
    modules, names = tables(page, "| old | new |")
    assert len(modules) > 30
    assert len(names) > 20
    for span in spans(page):
        assert not re.fullmatch(r"bitnet(\.\w+)+", span) or exists(span), span
    (gone,) = tables(page, "| gone | instead |")
    assert len(gone) >= 5
    for row in gone:
        old, new = row.strip("|").split("|")
        for name in re.findall(r"`([a-z_]+\.\w+)(?=[`(])", old):
            assert not exists(f"bitnet.{name}"), row
        assert new.strip(), row
    for row in modules:
        (old,) = re.findall(r"^\| `(\w+)`", row)
        assert not (ROOT / "bitnet" / f"{old}.py").exists(), row


def test_the_example_of_the_readme_trains_and_shows_its_progress(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("BITNET_RUNS", str(tmp_path))
    (code,) = fences(README, "python")
    exec(code, {})
    shown = capsys.readouterr()
    for arm in ("l2-0.0", "adamw-0.0"):
        assert re.search(rf"^.*{arm}, [^\r]* 200/200 ", shown.out, re.MULTILINE)
        assert arm in shown.out
    assert "held-out loss" in shown.out
    assert "works here (full: hidden 256 and 512, 50257 tokens, 20000 steps)" in shown.out
    assert "200 of the plan's 6000 steps were trained, so nothing is decided yet" in shown.out


def test_the_python_examples_of_the_docs_run(capsys):
    # Those of export.md need what tests/suites has, and run there; that of tracking.md trains.
    elsewhere = ("export.md", "tracking.md")
    pages = [path for path in DOCUMENTS[len(NAMES) :] if path.name not in elsewhere]
    examples = [code for path in pages for code in fences(path, "python")]
    assert examples
    for code in examples:
        exec(code, {})


def test_the_grids_of_the_docs_are_grids(tmp_path):
    examples = [code for path in DOCUMENTS for code in fences(path, "yaml")]
    assert examples
    for code in examples:
        file = tmp_path / "params" / "grid.yaml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(code)
        assert Grid.load(file, notebook="").runs
        assert not (name := yaml.safe_load(code).get("notebook")) or (ROOT / "notebooks" / name)


def test_the_citation_agrees_with_the_package():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = (ROOT / "pyproject.toml").read_text()
    assert f'version = "{citation["version"]}"' in project
    assert f'license = "{citation["license"]}"' in project
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] in (ROOT / "CHANGELOG.md").read_text()


def tables(path: Path, head: str) -> list[list[str]]:
    """The rows of each table whose head begins so."""
    lines = path.read_text().splitlines()
    starts = [i + 2 for i, line in enumerate(lines) if line.startswith(head)]
    return [list(itertools.takewhile(lambda x: x.startswith("|"), lines[i:])) for i in starts]


def test_the_table_of_measures_is_that_of_the_package():
    page = ROOT / "docs" / "measures.md"
    assert f"<!-- measures: generated -->\n{measures_table()}\n<!-- end -->" in page.read_text()


def test_the_table_of_baselines_is_that_of_the_committed_file():
    full, small = json.loads(FILE.read_text())
    assert (full["vocabulary"], small["vocabulary"]) == (FULL.vocabulary, MINIATURE.vocabulary)
    lines = (ROOT / "docs" / "measures.md").read_text().splitlines()
    for name, whose in BASELINES.items():
        values = [value for row in (full, small) for value in (row[name], in_bits(row)[name])]
        assert f"| {whose} | {' | '.join(f'{value:.3f}' for value in values)} |" in lines


def test_a_plain_table_of_pairs_has_the_committed_loss(pair_table_loss):
    assert pair_table_loss == pytest.approx(
        json.loads(FILE.read_text())[0]["bigram_loss"], abs=2e-6
    )


def test_the_thresholds_of_the_docs_are_those_of_the_code():
    page = " ".join((ROOT / "docs" / "measures.md").read_text().split())
    for text in (
        f"at least {diversity.DEAD_ENTROPY_SHARE:.0%} of ln V".replace("%", " %"),
        f"below {diversity.COLLAPSED_CONTEXT_INFORMATION} nats",
        f"more than {diversity.COLLAPSED_TOP1_SHARE:.0%} of the pos".replace("%", " %"),
        f"more than {diversity.DIVERSE_UNIQUE_TOKENS} unique",
        f"at least {diversity.DIVERSE_EFFECTIVE_TOKENS} effective tokens",
        f"more than {WORKS_BAR} unique tokens; fewer than {FAILS_BAR} fail",
        f"Counts from {FAILS_BAR} to {WORKS_BAR} leave it",
        f"it has {FULL.steps} updates at the full scale, {MINIATURE.steps} in the miniature",
        f"{diversity.PROMPTS} fixed random prompts",
        f"and {diversity.PASSAGES} fixed passages",
        f"{diversity.OPENING} tokens are given, {diversity.CONTINUATION} follow",
    ):
        assert text in page
    assert LAST_QUARTER == 0.25


def test_the_table_of_arms_is_that_of_the_code():
    base, rows = Recipe(), {}
    for row in tables(ROOT / "docs" / "recipes.md", "| arm |")[0]:
        arm, *cells = (cell.strip(" `") for cell in row.strip("|").split("|"))
        rows[arm] = cells
    assert list(rows) == list(ARMS)
    for arm, recipe in ARMS.items():
        optimizer, decays, others = rows[arm]
        assert (optimizer, decays) == (
            recipe.optimizer,
            f"{recipe.stage1_decay}, {recipe.stage2_decay}",
        )
        named = ("optimizer", "stage1_decay", "stage2_decay")
        changed = {
            name: value
            for name, value in recipe.to_dict().items()
            if name not in named and value != getattr(base, name)
        }
        written = dict(re.findall(r"(\w+)` (\S+)", others))
        assert written == {name: str(value) for name, value in changed.items()}, arm


def test_the_table_of_scales_is_that_of_the_code():
    expected = [
        f"| `{s.name}` | {s.hidden} | {thousands(s.vocabulary)} "
        f"| {s.batch_size}x{s.sequence_length} | {thousands(s.steps)} "
        f"| [{Path(s.plan).name}](../{s.plan}) |"
        for s in SCALES.values()
    ]
    head = "| scale | hidden | vocabulary | batch | updates |"
    assert tables(ROOT / "docs" / "recipes.md", head) == [expected]


def test_the_sizes_of_a_text_are_those_of_the_code():
    page = " ".join((ROOT / "docs" / "runs.md").read_text().split())
    for text in (
        f"blocks of {thousands(BLOCK)} tokens",
        f"pieces of about {thousands(PIECE)} characters",
        f"from {BYTES} to {thousands(LARGEST_VOCABULARY)} tokens",
        f"`{VOCABULARY_FILE}`",
        f"format {FORMAT}",
    ):
        assert text in page


def test_the_page_of_the_miniature_has_a_place_for_its_results_and_no_number_of_them(tmp_path):
    page = IN_MINIATURE.read_text()
    copy = tmp_path / "MINIATURE.md"
    copy.write_text(page)
    quote(copy, "what the runs say")
    assert copy.read_text().count("what the runs say") == 1
    written = " ".join(LINK.sub(r"[\1]", GENERATED.sub("", page)).split())
    facts = [
        f"hidden {MINIATURE.hidden}",
        f"{thousands(MINIATURE.vocabulary)} tokens",
        f"batch {MINIATURE.batch_size}x{MINIATURE.sequence_length}",
        f"{thousands(MINIATURE.steps)} updates",
        f"hidden {FULL.hidden}",
        f"{thousands(FULL.vocabulary)} tokens",
        f"{thousands(FULL.steps)} updates",
        f"{len(load_plan(scale=MINIATURE).runs)} runs",
    ]
    for fact in facts:
        assert fact in written
        written = written.replace(fact, " ")
    for name in ("weight decay 0.0 in Stage 2", "GPT-2"):
        written = written.replace(name, " ")
    # Nothing else is a number, but for those in the names of arms and files.
    assert re.findall(r"\d+", re.sub(r"`[^`]*`", " ", written)) == []


def test_the_table_of_speeds_is_that_of_the_benchmarks():
    expected = []
    for name, machine in (
        ("bench-2-core-epyc-avx512", "AMD EPYC with AVX-512, 2 cores"),
        ("bench-2-core-epyc", "AMD EPYC without it, 2 cores"),
    ):
        for size in json.loads((ROOT / "results" / f"{name}.json").read_text())["sizes"]:
            ms = {row: f"{seconds * 1000:.1f}" for row, seconds in size["seconds"].items()}
            where = f"{machine} | {size['hidden']}, {size['batch_size']}x32"
            times, share = size["ratios"]["b/a"], size["ratios"]["b/d"]
            expected.append(
                f"| {where} | {ms['reference']} | {ms['trainer']} | {times:.1f} "
                f"| {ms['full precision']} | {ms['roof']} | {share * 100:.0f} % |"
            )
    # No file is of a GPU, and the table says so.
    expected.append("| a GPU | any | not measured | not measured | | not measured | | |")
    assert tables(ROOT / "docs" / "performance.md", "| machine |") == [expected]


def passages(arm: str, tokens: int = TOKENS) -> dict[tuple[str, str], dict]:
    """What `bitnet passages --json` gave for a committed run, by text and measure."""
    facts = json.loads((ROOT / "results" / "passages" / f"{arm}-{tokens}.json").read_text())
    assert (facts["passages"], facts["tokens"], facts["opening"]) == (PASSAGES, tokens, GIVEN)
    assert facts["run"].startswith(f"{arm}, hidden {MINIATURE.hidden}, ")
    return {(row["text"], row["measure"]): row for row in facts["table"]}


def of_passages(arms=("l2-0.05", "l2-0.0", "adamw-0.0")) -> list[str]:
    """The rows of the table of passages; the text itself is that of all of them."""

    def cells(found, text):
        rows = [found[text, name] for name in MEASURED]
        values = [[100 * row[name] for name in ("value", "low", "high")] for row in rows]
        return " | ".join(f"{v:.1f} ({low:.1f}–{high:.1f})" for v, low, high in values)

    found = {arm: passages(arm) for arm in arms}
    rows = [f"| `{a}` | {t} | {cells(found[a], t)} |" for a in arms for t in (GREEDY, NUCLEUS)]
    (last,) = {cells(found[arm], HUMAN) for arm in arms}
    return [*rows, f"| people | {HUMAN} | {last} |"]


def test_the_table_of_passages_is_that_of_the_files_and_its_page_says_how():
    page = ROOT / "docs" / "measures.md"
    assert tables(page, "| who | text |") == [of_passages()]

    def cent(arm, text, measure, tokens=TOKENS):
        return f"{100 * passages(arm, tokens)[text, measure]['value']:.1f} %"

    written = " ".join(page.read_text().split())
    within = [cent(arm, GREEDY, "seq_rep_4", 16) for arm in ("l2-0.0", "adamw-0.0")]
    for text in (
        f"{PASSAGES} held-out openings of {GIVEN} tokens with {TOKENS} more",
        f"its last {TAIL} tokens repeat a pattern of at most {LONGEST_PERIOD}",
        f"`{NUCLEUS}`",
        f"holds {TOP_P} of the probability",
        f"With `--tokens 16` they already repeat {within[0]} (`l2-0.0`) and {within[1]} "
        f"(`adamw-0.0`) of their 4-grams, where people repeat "
        f"{cent('l2-0.0', HUMAN, 'seq_rep_4', 16)}",
        f"at most {MINIATURE.vocabulary / (PASSAGES * TOKENS):.1%}".replace("%", " %"),
    ):
        assert text in written


def test_the_passages_of_a_committed_run_are_written_again():
    """Greedily, as one number of the table. Rounding may turn a near tie on another processor."""
    (folder,) = (ROOT / "results" / "miniature-runs").glob("adamw-0.0-h64-v4096-t6000-s0-*")
    corpus = load_corpus(vocabulary=MINIATURE.vocabulary, log=lambda line: None)
    whole, found = held_out_passages(corpus, PASSAGES, GIVEN + TOKENS), passages("adamw-0.0")
    assert seq_rep_n(whole[:, GIVEN:]) == pytest.approx(found[HUMAN, "seq_rep_4"]["value"])
    said = continue_prompts(load(folder).model, whole[:, :GIVEN], TOKENS)
    assert seq_rep_n(said) == pytest.approx(found[GREEDY, "seq_rep_4"]["value"], abs=0.01)
    loops = ends_in_loop(said).double().mean().item()
    assert loops == pytest.approx(found[GREEDY, "loops"]["value"], abs=0.02)


# --- the numbers ---------------------------------------------------------------------------------

LN_V = math.log(50257)
PAIRS = ((256, 0), (256, 1), (256, 2), (512, 0))  # hidden and seed, where both kinds were trained


class Runs:
    """The committed runs, looked up by arm, hidden size and seed."""

    def __init__(self):
        self.all = {(h.config.arm, h.config.hidden, h.config.seed): h for h in load_results()}
        self.published = pd.read_csv(ROOT / "bitnet" / "published.csv")

    def of(self, arm, hidden=256, seed=0):
        return self.all[arm, hidden, seed]

    def measure(self, name, arm, hidden=256, seed=0):
        """A measure by step."""
        return self.of(arm, hidden, seed).measures.set_index("step")[name]

    def health(self, name, arm, hidden=256, seed=0):
        return self.of(arm, hidden, seed).health.set_index("step")[name]

    def at(self, step, name, arm, hidden=256, seed=0):
        return self.measure(name, arm, hidden, seed)[step]

    def ends(self, name, arm, pairs=PAIRS):
        """A measure at the last step, for each pair of size and seed."""
        return [float(self.measure(name, arm, *pair).iloc[-1]) for pair in pairs]

    def states(self, arm, hidden=256, seed=0):
        """The states by step, but for that of the first update."""
        history = self.of(arm, hidden, seed)
        states = pd.Series(history.states.tolist(), index=history.measures.step)
        return states[states.index > 1]


def one(values):
    """The value that all of them have."""
    (value,) = set(values)
    return value


def low(value: float, digits: int = 2) -> float:
    """Rounded towards zero, as a lower bound is."""
    return math.floor(value * 10**digits) / 10**digits


def percent(values) -> str:
    """The least and the greatest as whole percent."""
    return f"{min(values) * 100:.0f} to {max(values) * 100:.0f} %"


def kneser_ney(corpus, windows, discount=0.75) -> float:
    """The loss of a table of word pairs at the probe's positions: interpolated Kneser-Ney.

    Source: Kneser & Ney 1995; Chen & Goodman 1999, section 2.7.
    """
    train, size = corpus.train.numpy(), corpus.vocab_size
    pairs, count = np.unique(train[:-1] * size + train[1:], return_counts=True)
    before, after = pairs // size, pairs % size
    seen = np.bincount(before, weights=count, minlength=size)
    kinds = np.bincount(before, minlength=size)
    contexts = np.bincount(after, minlength=size)
    unigram = np.maximum(contexts - discount, 0) + discount * (contexts > 0).sum() / size
    unigram = unigram / contexts.sum()
    left, right = (w.flatten().numpy() for w in (windows[:, :-1], windows[:, 1:]))
    wanted = left * size + right
    place = np.searchsorted(pairs, wanted).clip(max=len(pairs) - 1)
    found = np.where(pairs[place] == wanted, count[place], 0)
    whole = np.maximum(seen[left], 1)
    direct = np.maximum(found - discount, 0) / whole
    rest = np.where(seen[left] > 0, discount * kinds[left] / whole, 1.0)
    return float(-np.log(direct + rest * unigram[right]).mean())


@pytest.fixture(scope="module")
def runs():
    return Runs()


@pytest.fixture(scope="module")
def pair_table_loss():
    corpus = load_corpus(log=lambda line: None)
    return kneser_ney(corpus, Probe.from_corpus(corpus).windows)


def of_readme(r: Runs, table_loss: float) -> list[str]:
    """What the README says in numbers, as the runs have them."""
    fix, broken, rival = "l2-0.0", "l2-0.05", "adamw-0.0"
    tokens, losses = r.ends("unique_tokens", fix), r.ends("val_loss", rival)
    lead = [theirs - mine for mine, theirs in zip(losses, r.ends("val_loss", fix), strict=True)]
    dead = dead_counts(r)
    probe = r.ends("unique_predictions", rival)
    early = r.published[(r.published.step == 1000) & (r.published.loss.notna())]
    healthy = early[early.unique_predictions >= 16]
    references = r.of(fix).references
    assert min(lead) > 0 and len(lead) == 4 and len(tokens) == 4
    assert all(set(r.states(rival, *pair)) <= {"learning", "diverse"} for pair in PAIRS)
    assert all(r.at(1000, "predictive_entropy", fix, *p) > 0.9999 * LN_V for p in PAIRS)
    assert all(
        r.health(f"mean_abs.{group}", fix, *pair)[1000] < 1e-4
        for group in ("head", "ternary", "norm")
        for pair in PAIRS
    )
    assert table_loss < min(h.measures.val_loss.min() for h in r.all.values())
    ceiling = int(references["unique_tokens_ceiling"])
    text = references["human_seq_rep_4"]
    return [
        f"all four planned runs come back: {min(tokens):.0f} to {max(tokens):.0f} distinct tokens "
        f"at step {thousands(FULL.steps)}, on {thousands(ceiling)} positions",
        f"(bar: more than {WORKS_BAR})",
        f"With 0.05 all end with {one(r.ends('unique_tokens', broken)):.0f}.",
        f"{percent(r.ends('seq_rep_4', fix))} of its greedy 4-grams repeat (real text: "
        f"{text * 100:.0f} %)",
        f"{table_loss:.2f} nats a token, against {min(losses):.2f} of the best run",
        "by step 1000 head, blocks and norms are near zero, and the prediction is uniform",
        f"in all four pairs (by {min(lead):.2f} to {max(lead):.2f} nats",
        f"repeats less: {percent(r.ends('seq_rep_4', rival))}",
        f"cannot count above {diversity.PROMPTS}, and the bar was {WORKS_BAR}",
        f"(loss {one(healthy.loss)})",
        f"a dead network shows anything from {min(dead)} to {max(dead)}",
        f"AdamW shows {min(probe):.0f} to {max(probe):.0f}: by the bar of {FAILS_BAR}",
        f"All {len(r.all)} runs were",
        f"hidden {MINIATURE.hidden}, {thousands(MINIATURE.vocabulary)} tokens, "
        f"{thousands(MINIATURE.steps)} updates",
    ]


def of_the_second_plan() -> tuple[str, str]:
    """The coefficients from which a ternary network is collapsed, and dead, whatever the rate."""
    table = cells(read_table(TABLE), lambda history: "")
    dose = table[(table.block == "dose") & (table.kind == "coupled") & table.quantized]
    first = {
        state: one(
            [f"{rows[rows.state == state].decay.min():g}" for _, rows in dose.groupby("rate")]
        )
        for state in ("collapsed", "dead")
    }
    assert set(dose.state[dose.decay < float(first["collapsed"])]) == {"learning", "diverse"}
    alone = table[table.decayed.isin(GROUPS)]
    assert one(alone.decay) == float(first["dead"])
    assert len(alone) == len(GROUPS)
    assert not alone.state.isin(diversity.DOWN).any()
    return first["collapsed"], first["dead"]


def thousands(number: int) -> str:
    return f"{number:,}".replace(",", " ")


def dead_counts(r: Runs) -> list[int]:
    """What the 20-prompt probe counted at every dead evaluation."""
    return [
        int(count)
        for h in r.all.values()
        for count in h.measures.unique_predictions[(h.states == "dead").to_numpy()]
    ]


def test_the_numbers_of_the_readme(runs, pair_table_loss):
    page = " ".join(LINK.sub(r"[\1]", README.read_text()).split())
    said = page.partition("## The answer")[2].partition("![Distinct tokens")[0]
    assert said
    collapses, kills = of_the_second_plan()
    second = [f"[{collapses} collapses and {kills} kills]", f"{kills} on one group alone does not"]
    for text in [*of_readme(runs, pair_table_loss), *second]:
        assert text in page
        said = said.replace(text, " ")
    # What is left of the answer has no measured number, nor a count of tokens or steps.
    left = set(re.findall(r"\d+\.\d+|\d+ %|\b\d{3,}", re.sub(r"`[^`]*`", " ", said)))
    assert left <= {"0.0", "0.05"}, left  # coefficients


def of_the_references(r: Runs, table_loss: float) -> list[str]:
    found = r.of("l2-0.0").references
    best = min(h.measures.val_loss.min() for h in r.all.values())
    assert table_loss < best
    return [
        f"All {len(r.all)} runs",
        f"on the same {thousands(int(found['unique_tokens_ceiling']))} held-out positions",
        f"the text itself has {thousands(int(found['human_unique_tokens']))} distinct tokens "
        f"({found['human_effective_tokens']:.0f} effective)",
        f"loss is {found['unigram_loss']:.2f} nats",
        f"costs ln 50257 = {found['ln_vocabulary']:.2f}",
        f"Kneser-Ney, discount 0.75), has {table_loss:.2f}",
    ]


def of_the_arms(r: Runs) -> list[str]:
    fix, rival, full = "l2-0.0", "adamw-0.0", "fp-l2-0.0"
    loss, tokens = r.measure("val_loss", fix), r.measure("unique_tokens", fix)
    probe, states = r.measure("unique_predictions", fix), r.states(fix)
    assert one(tokens.loc[3000:10000]) == 2
    assert set(states.loc[:10000]) <= {"dead", "collapsed"} and len(states.loc[:10000]) == 10
    assert set(states.loc[12000:]) == {"diverse"} and len(states.loc[12000:]) == 9
    assert r.at(20000, "unique_tokens", "l2-0.05") == 2
    scaling = r.published[(r.published.run == "scaling") & (r.published.hidden == 256)]
    published = scaling.set_index("step").unique_predictions[6000]  # its switch is at 5000
    assert all(set(r.states(rival, *pair)) <= {"learning", "diverse"} for pair in PAIRS)
    assert all(set(r.states(rival, *pair).loc[4000:]) == {"diverse"} for pair in PAIRS)
    deeper, shallower = (r.measure("val_loss", arm).loc[1000:10000] for arm in (fix, full))
    assert set(r.states(full).loc[:10000]) == {"collapsed"}
    assert set(r.states(full).loc[15000:]) == {"diverse"}
    return [
        f"the loss is {loss[1000]:.3f}, ln V",
        "From step 3000 to the switch 2 distinct tokens win",
        "at each of the ten evaluations of Stage 1",
        f"to {tokens[11000]} distinct tokens at step 11 000 and {tokens[20000]} at 20 000, and is "
        "diverse at each of the nine evaluations from 12 000 on",
        f"counts {probe[11000]} of 20 a thousand steps after the switch, where the published run "
        f"had {published}",
        "it ends with 2 distinct tokens",
        "It is diverse from step 4000 on",
        f"in Stage 1 is {shallower.min():.1f} to {shallower.max():.1f}, where `l2-0.0` has "
        f"{deeper.min():.1f} to {deeper.max():.1f}",
        f"of the fix {percent(r.ends('seq_rep_4', fix))} are repeats, against "
        f"{r.of(fix).references['human_seq_rep_4'] * 100:.0f} % in the text",
    ]


def of_the_lead(r: Runs) -> list[str]:
    fix, rival = "l2-0.0", "adamw-0.0"

    def difference(name, first, last):
        found = [r.measure(name, rival, *p) - r.measure(name, fix, *p) for p in PAIRS]
        return pd.concat([d.loc[first:last] for d in found])

    final = [-float(x) for x in difference("val_loss", 20000, 20000)]
    annealing = difference("val_loss", 12000, 19000)
    repeats = difference("seq_rep_4", 12000, 20000)
    distinct = {arm: r.ends("distinct_1", arm) for arm in (fix, rival)}
    probe = [int(x) for x in r.ends("unique_predictions", rival)]
    dead = dead_counts(r)
    wanders = r.measure("seq_rep_4", rival, 256, 1)
    assert min(final) > 0 and max(probe) < FAILS_BAR
    (a, b, c, d), (e, f, g, h) = final, probe
    return [
        f"by {a:.2f}, {b:.2f}, {c:.2f} and {d:.2f} nats",
        f"Between steps 12 000 and 19 000 it has the lower loss in {(annealing < 0).sum()} of "
        f"{len(annealing)} evaluations, about half",
        f"(seq-rep-4) are {percent(r.ends('seq_rep_4', rival))} at the last step, and fewer than "
        f"in the fix in {(repeats < 0).sum()} of {len(repeats)} evaluations from 12 000 on",
        f"(distinct-1) are {min(distinct[rival]):.3f} to {max(distinct[rival]):.3f} of all tokens "
        f"against {min(distinct[fix]):.3f} to {max(distinct[fix]):.3f}; the text has "
        f"{r.of(fix).references['human_distinct_1']:.3f}",
        f"AdamW with seed 1 repeats {wanders[18000] * 100:.0f} % at step 18 000 and "
        f"{wanders[20000] * 100:.0f} % at the end",
        f"It counts {e}, {f} and {g} of 20 for `adamw-0.0` at hidden 256 and {h} at hidden 512: "
        f"fewer than {FAILS_BAR}",
        f"Among the {len(dead)} dead evaluations of all runs it counts anything from {min(dead)} "
        f"to {max(dead)}",
    ]


def of_the_seeds(r: Runs) -> list[str]:
    seeds, fix = range(3), "l2-0.0"
    losses = [f"{r.at(10000, 'val_loss', fix, 256, seed):.4f}" for seed in seeds]
    spreads = []
    for bin_ in ("1-9", "10-99", "100-999", "1000+"):
        norms = [r.health(f"row_norm.head.{bin_}", fix, 256, seed)[10000] for seed in seeds]
        spreads.append(max(norms) / min(norms) - 1)
    assert 0.002 < max(spreads) < 0.003
    alike = [
        np.corrcoef(*(r.measure("val_loss", arm, 256, s).loc[12000:].diff().dropna() for s in two))
        for arm in (fix, "adamw-0.0", "fp-l2-0.0")
        for two in itertools.combinations(seeds, 2)
    ]
    alike = [table[0, 1] for table in alike]
    assert len(alike) == 9
    loss = r.measure("val_loss", fix)
    return [
        f"are {losses[0]}, {losses[1]} and {losses[2]}",
        "differ by less than 0.3 % in every class of tokens that occur",
        f"from {loss[16000]:.2f} at step 16 000 to {loss[17000]:.2f} at 17 000",
        f"by {low(min(alike)):.2f} to {low(max(alike)):.2f}",
    ]


def of_the_size(r: Runs) -> list[str]:
    fix, broken, rival = "l2-0.0", "l2-0.05", "adamw-0.0"
    same = [r.of(arm, 512).measures.query("step <= 10000") for arm in (fix, broken)]
    assert same[0][list(MEASURES)].equals(same[1][list(MEASURES)])
    assert set(r.states(fix, 512).loc[:10000]) == {"dead", "collapsed"}
    assert set(r.states(fix, 512).loc[12000:]) == {"diverse"}
    gain = {arm: r.ends("val_loss", arm)[0] - r.ends("val_loss", arm)[3] for arm in (fix, rival)}
    best = min(r.all.values(), key=lambda h: h.measures.val_loss.iloc[-1])
    assert best is r.of(rival, 512)
    end = {hidden: r.of(fix, hidden).measures.iloc[-1] for hidden in (256, 512)}
    return [
        f"gains {gain[fix]:.2f} nats for the fix and {gain[rival]:.2f} for AdamW",
        f"counts {end[512].unique_predictions:.0f} for the fix, where it counts "
        f"{end[256].unique_predictions:.0f} at hidden 256, although more tokens win "
        f"({end[512].unique_tokens:.0f} against {end[256].unique_tokens:.0f})",
    ]


def of_the_cause(r: Runs) -> list[str]:
    broken, rival = "l2-0.05", "adamw-0.0"
    ratio = {
        group: r.health(f"penalty.{group}", broken)[1] / r.health(f"gradient.{group}", broken)[1]
        for group in ("ternary", "head", "norm", "embedding")
    }
    assert ratio["embedding"] > ratio["norm"]
    rows = []
    for label, name, first, second, third in (
        ("rows of the head, tokens that never occur", "row_norm.head.never", 3, 5, 1),
        ("rows of the head, most frequent tokens", "row_norm.head.1000+", 3, 5, 2),
        ("rows of the embedding, tokens that never occur", "row_norm.embedding.never", 1, 1, 1),
        ("ternary weights of the blocks", "mean_abs.ternary", 3, 6, 3),
        ("gains of the norms", "mean_abs.norm", 1, 6, 2),
    ):
        mine, theirs = r.health(name, broken), r.health(name, rival)
        cells = (f"{mine[1]:.{first}f}", f"{mine[1000]:.{second}f}", f"{theirs[1000]:.{third}f}")
        rows.append(f"| {label} | {' | '.join(cells)} |")
        before = [r.health(name, arm, 256, 1).loc[:10000] for arm in (broken, "l2-0.0")]
        assert before[0].equals(before[1])  # one network up to the switch
    for arm in ("adamw-0.05", "no-decay", "fp-adamw-0.0"):
        assert set(r.states(arm)) <= {"learning", "diverse"}
    coupled = ("l2-0.1", "l2-reduced-lr", "l2-label-smoothing", "l2-grad-clip")
    assert all(r.states(arm).iloc[-1] in ("dead", "collapsed") for arm in coupled)
    slow, slow_loss = (r.measure(m, "l2-reduced-lr") for m in ("unique_predictions", "val_loss"))
    published = r.published[r.published.run == "reduced_lr"].set_index("step")
    counts = ", ".join(str(published.unique_predictions[s]) for s in (1000, 2000, 3000, 4000))
    smooth = r.measure("unique_predictions", "l2-label-smoothing")
    assert one(smooth.loc[3000:]) == 2 and r.states("l2-label-smoothing")[1000] == "dead"
    assert one(r.measure("unique_predictions", "l2-0.1").loc[3000:]) == 2
    clipped = (LN_V - r.measure("val_loss", "l2-grad-clip").loc[250:]).abs().max()
    assert 0.03 < clipped < 0.04
    return [
        f"its norm is {ratio['ternary']:.0f} times that of the gradient in the blocks, "
        f"{ratio['head']:.0f} times in the head, {ratio['norm']:.0f} times in the norms and more "
        "in the embedding",
        *rows,
        f"the embedding has followed ({r.health('row_norm.embedding.never', broken)[10000]:.4f})",
        f"never occur grow, to {r.health('row_norm.head.never', rival)[20000]:.1f} at the end",
        f"({r.at(10000, 'val_loss', rival):.2f} nats at the switch against "
        f"{r.at(10000, 'val_loss', 'l2-0.0'):.2f})",
        f"rises from {slow[1000]} at step 1000 to {slow[3000]} at 3000 and {slow[4000]} at 4000, "
        f"while its loss rises to {slow_loss[4000]:.2f}",
        f"({counts}; loss {published.loss[2000]} at step 2000)",
        f"{smooth[1000]} of 20 at step 1000 (dead), 2 from step 3000 on",
        "within 0.04 nats of uniform from step 250 on",
    ]


def of_the_oddities(r: Runs) -> list[str]:
    def size(arm):
        return f"{r.health('mean_abs.ternary', arm).iloc[-1]:.1e}".replace("e-0", "e-")

    coupled = ("l2-0.05", "l2-0.1", "l2-label-smoothing", "l2-grad-clip", "l2-reduced-lr")
    assert all(r.health("zero", arm).iloc[-1] == 1 for arm in coupled)
    assert one(size("l2-0.05") for _ in PAIRS) == size("l2-0.05")
    mean, zero = r.health("mean_abs.ternary", "l2-0.05"), r.health("zero", "l2-0.05")
    assert MIN_SCALE == 1e-5
    assert mean[15000] > MIN_SCALE > mean[16000]
    assert mean[17000] > MIN_SCALE / 2 > mean[18000]
    assert zero[18000] < 1 == one(zero.loc[19000:])
    flips = r.health("flipped", "l2-0.0").loc[2000:10000]
    slow = r.ends("effective_tokens", "l2-reduced-lr", PAIRS[:1])[0]
    fix = r.ends("effective_tokens", "l2-0.0")
    assert slow > max(fix) and r.states("l2-reduced-lr").iloc[-1] == "dead"
    assert r.of("adamw-0.0").states.iloc[0] == "learning" == r.states("adamw-0.0")[1000]
    unigram = r.of("adamw-0.0").references["unigram_loss"]
    assert r.at(1000, "val_loss", "adamw-0.0") > unigram
    manifest = r.of("l2-0.0").manifest
    return [
        f"ends at {size('l2-0.05')} in `l2-0.05`, {size('l2-0.1')} in `l2-0.1`, "
        "`l2-label-smoothing` and `l2-grad-clip`, "
        f"{size('l2-reduced-lr')} in `l2-reduced-lr`",
        "a floor of 1e-5, so a weight below 5e-6 rounds to zero",
        "passes 1e-5 between steps 15 000 and 16 000 and 5e-6 between 17 000 and 18 000; from "
        "19 000 on all are zero",
        f"{percent(flips)} of the ternary weights of `l2-0.0` flip",
        f"with a loss of {r.at(1, 'val_loss', 'adamw-0.0'):.2f}",
        f"more effective tokens ({slow:.1f}) than any run of the fix ({min(fix):.1f} to "
        f"{max(fix):.1f})",
        f"has {thousands(manifest['corpus']['train_tokens'])} tokens; 20 000 steps read it "
        f"{manifest['epochs']:.1f} times",
    ]


def test_the_numbers_of_the_results(runs, pair_table_loss):
    parts = (of_the_arms, of_the_lead, of_the_seeds, of_the_size, of_the_cause, of_the_oddities)
    texts = of_the_references(runs, pair_table_loss)
    texts += [text for part in parts for text in part(runs)]
    collapses, kills = of_the_second_plan()
    texts.append(f"finds collapse from {collapses} on and death at {kills}, with one coefficient")
    page = " ".join(GENERATED.sub("", RESULTS.read_text()).split())
    for text in texts:
        assert text in page
        page = page.replace(text, " ")
    # What is left has no measured number: neither a percentage nor anything with a decimal point.
    left = re.sub(r"`[^`]*`|\]\([^)]*\)", " ", page.partition("## The command for every number")[0])
    numbers = set(re.findall(r"\d+\.\d+(?:e-?\d+)?|\d+ %", left))
    assert numbers <= {"0.1", "0.0"}  # coefficients
