"""Refusals: one line that names the parameter, its value and what is allowed."""

import math
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bitnet import (
    BitNetConfig,
    BitNetModel,
    History,
    HistoryError,
    ParameterError,
    Plan,
    Recipe,
    RunConfig,
    checks,
    load,
    load_corpus,
)
from bitnet.analysis.results import load_plan, load_results, survey
from bitnet.checks import first_line
from bitnet.decode import continue_prompts, prompt_ids
from bitnet.display.report import read_report
from bitnet.display.report_folder import claim_report
from bitnet.evaluation.diversity import rarefaction
from bitnet.evaluation.repetition import distinct_n, seq_rep_n

ASKED = {
    "model": BitNetModel(BitNetConfig(9, 8, 1, 1)),
    "prompts": torch.zeros(1, 2, dtype=torch.long),
    "new_tokens": 1,
}
SHORT = torch.tensor([[1, 2, 3]])

BAD = [
    (Plan, {"hidden": 250}, "hidden = 250", "multiple of 8"),
    (RunConfig, {"arm": "l2-0.0", "hidden": 0}, "hidden = 0", "from 1 to"),
    (Plan, {"hidden": -256}, "hidden = -256", "at least 0"),
    (RunConfig, {"arm": "l2-0.0", "hidden": -256}, "hidden = -256", "from 1 to"),
    (Plan, {"hidden": "wide"}, "hidden = 'wide'", "whole number"),
    (Plan, {"hidden": 256.5}, "hidden = 256.5", "whole number"),
    (Plan, {"hidden": None}, "hidden = None", "whole number"),
    (Plan, {"hidden": True}, "hidden = True", "whole number"),
    (Plan, {"steps": -1}, "steps = -1", "at least 0"),
    (Plan, {"steps": 5}, "steps = 5", "from 8 to"),
    (Plan, {"steps": "many"}, "steps = 'many'", "whole number"),
    (Plan, {"steps": math.inf}, "steps = inf", "whole number"),
    (Plan, {"steps": math.nan}, "steps = nan", "whole number"),
    (Plan, {"arms": "l2-0.5"}, "arms = 'l2-0.5'", "did you mean 'l2-0.05'"),
    (Plan, {"arms": ""}, "arms = ''", "one or more"),
    (Plan, {"arms": "l2-0.0,l2-0.0"}, "arms = 'l2-0.0,l2-0.0'", "each once"),
    (Plan, {"arms": 3}, "arms = 3", "must be one of"),
    (Plan, {"seeds": "0,one"}, "seeds = 'one'", "whole number"),
    (Plan, {"seeds": "-1"}, "seeds = '-1'", "from 0"),
    (Plan, {"seeds": "1,1"}, "seeds = '1,1'", "different"),
    (Plan, {"seeds": ""}, "seeds = ''", "one or more"),
    (Plan, {"device": "gpu"}, "device = 'gpu'", "auto, cpu, cuda"),
    (Plan, {"device": "cuda:99"}, "device = 'cuda:99'", "use auto or cpu"),
    (Plan, {"corpus": ""}, "corpus = ''", "must be one of"),
    (Plan, {"corpus": "wikitext2"}, "corpus = 'wikitext2'", "did you mean 'wikitext-2'"),
    (Plan, {"corpus": "/no/such/file.txt"}, "corpus = '/no/such/file.txt'", "no such file"),
    (RunConfig, {"arm": "adamw"}, "arm = 'adamw'", "did you mean 'adamw-0.0'"),
    (RunConfig, {"arm": "l2-0.0", "seed": -3}, "seed = -3", "from 0"),
    (RunConfig, {"arm": "l2-0.0", "sequence_length": 1}, "sequence_length = 1", "from 2 to 1024"),
    (RunConfig, {"arm": "l2-0.0", "sequence_length": 2048}, "length = 2048", "from 2 to 1024"),
    (RunConfig, {"arm": "l2-0.0", "probe_positions": 0}, "probe_positions = 0", "from 1 to"),
    (BitNetConfig, {"hidden_size": 30}, "hidden_size = 30", "multiple of 8"),
    (BitNetConfig, {"num_kv_heads": 3}, "num_kv_heads = 3", "must divide num_heads (4)"),
    (BitNetConfig, {"vocab_size": 0}, "vocab_size = 0", "at least 1"),
    (BitNetConfig, {"norm_placement": "outside"}, "norm_placement = 'outside'", "double, inside"),
    (BitNetConfig, {"quantize": "no"}, "quantize = 'no'", "True or False"),
    (BitNetConfig, {"rope_theta": "ten"}, "rope_theta = 'ten'", "number"),
    (Plan, {"hidden": [256]}, "hidden = [256]", "whole number"),
    (Plan, {"hidden": "1e-3"}, "hidden = '1e-3'", "whole number"),
    (Plan, {"hidden": 10**400}, "hidden = 1", "whole number"),
    (Plan, {"steps": 1.5}, "steps = 1.5", "whole number"),
    (Plan, {"steps": True}, "steps = True", "whole number"),
    (Plan, {"arms": "l2"}, "arms = 'l2'", "must be one of"),
    (Plan, {"arms": None}, "arms = None", "must be one of"),
    (Plan, {"arms": []}, "arms = []", "one or more"),
    (Plan, {"arms": "adamw-0.0,AdamW-0.05"}, "arms = 'AdamW-0.05'", "did you mean 'adamw-0.05'"),
    (Plan, {"seeds": 0.5}, "seeds = 0.5", "whole number"),
    (Plan, {"seeds": 2**31}, "seeds = 2147483648", "from 0 to 2147483647"),
    (Plan, {"device": ""}, "device = ''", "auto, cpu, cuda"),
    (Plan, {"device": None}, "device = None", "auto, cpu, cuda"),
    (Plan, {"precision": "fp16"}, "precision = 'fp16'", "auto, float32, bfloat16"),
    (Plan, {"strict": "yes"}, "strict = 'yes'", "True or False"),
    (Plan, {"corpus": None}, "corpus = None", "must be one of"),
    (Plan, {"corpus": 7}, "corpus = 7", "must be one of"),
    (Plan, {"runs_dir": 7}, "runs_dir = 7", "path"),
    (Plan, {"runs_dir": 7}, "runs_dir = 7", "must be a path"),
    (Plan, {"runs_dir": "x" * 300}, "runs_dir = ", "File name too long"),
    (Plan, {"runs_dir": "~nosuchuser/x"}, "runs_dir = ", "home directory"),
    (Plan, {"hidden": 8e18}, "hidden = 8000000000000000000", "from 1 to 65536"),
    (Plan, {"seeds": np.array(2.5)}, "seeds = ", "whole number"),
    (survey, {"grid": None, "folder": 7}, "runs_dir = 7", "must be a path"),
    (load_results, {"folder": 7}, "folder = 7", "must be a path"),
    (load_plan, {"path": 7}, "grid = 7", "must be a path"),
    (load_plan, {"path": "~nosuchuser/x"}, "grid = ", "home directory"),
    (load, {"run": "x" * 300}, "run = ", "File name too long"),
    (claim_report, {"plan": None, "report_dir": 5}, "report_dir = 5", "must be a path"),
    (read_report, {"folder": "a\0b"}, "folder = ", "null byte"),
    (Plan, {"runs_dir": __file__}, "runs_dir = ", "is no folder"),
    (RunConfig, {"arm": None}, "arm = None", "must be one of"),
    (RunConfig, {"arm": "l2-0.0", "steps": 7}, "steps = 7", "from 8 to"),
    (RunConfig, {"arm": "l2-0.0", "batch_size": 0}, "batch_size = 0", "from 1 to"),
    (RunConfig, {"arm": "l2-0.0", "heads": 3}, "hidden = 256", "multiple of 6"),
    (RunConfig, {"arm": "l2-0.0", "kv_heads": 3}, "num_kv_heads = 3", "must divide num_heads (4)"),
    (RunConfig, {"arm": "l2-0.0", "eval_every": -1}, "eval_every = -1", "from 0 to"),
    (RunConfig, {"arm": "l2-0.0", "layers": "four"}, "layers = 'four'", "whole number"),
    (BitNetConfig, {"norm_eps": -1}, "norm_eps = -1", "from 0.0"),
    (Recipe, {"clip_norm": 0}, "clip_norm = 0", "from"),
    (Recipe, {"beta2": 1.0}, "beta2 = 1.0", "from 0.0"),
    (Recipe, {"optimizer": "sgd"}, "optimizer = 'sgd'", "adam, adamw"),
    (Recipe, {"peak_lr": -1}, "peak_lr = -1", "from 0.0 to 1.0"),
    (Recipe, {"stage2_decay": math.nan}, "stage2_decay = nan", "number"),
    (Recipe, {"label_smoothing": 1.0}, "label_smoothing = 1.0", "from 0.0 to 0.999"),
    (Recipe, {"decayed": "tail"}, "decayed = 'tail'", "all, blocks"),
    (RunConfig, {"arm": "l2-blocks-0.5"}, "arm = 'l2-blocks-0.5'", "did you mean 'l2-blocks-0.0'"),
    (Plan, {"arms": "l2-0.0+peak_lr=2"}, "arms: peak_lr = '2'", "from 0.0 to 1.0"),
    (Plan, {"arms": {"base": "l2-0.0", "lr": 1}}, "arms: field of an arm = 'lr'", "one of"),
    (Plan, {"eval_every": -1}, "eval_every = -1", "from 0 to"),
    (Plan, {"eval_every": 2.5}, "eval_every = 2.5", "whole number"),
    (Plan, {"eval_every": "often"}, "eval_every = 'often'", "whole number"),
    (Plan, {"eval_every": None}, "eval_every = None", "whole number"),
    (Plan, {"scale": "tiny"}, "scale = 'tiny'", "must be one of auto, full, miniature"),
    (Plan, {"scale": "mini"}, "scale = 'mini'", "did you mean 'miniature'"),
    (Plan, {"scale": ""}, "scale = ''", "auto, full, miniature"),
    (Plan, {"scale": None}, "scale = None", "auto, full, miniature"),
    (Plan, {"vocabulary": 255}, "vocabulary = 255", "from 256 to 65535"),
    (Plan, {"vocabulary": 65536}, "vocabulary = 65536", "from 256 to 65535"),
    (Plan, {"vocabulary": -1}, "vocabulary = -1", "at least 0"),
    (Plan, {"vocabulary": "many"}, "vocabulary = 'many'", "whole number"),
    (RunConfig, {"arm": "l2-0.0", "vocabulary": 0}, "vocabulary = 0", "from 256 to 65535"),
    (Plan, {"batch_size": -4}, "batch_size = -4", "at least 0"),
    (Plan, {"batch_size": 1.5}, "batch_size = 1.5", "whole number"),
    (Plan, {"sequence_length": 1}, "sequence_length = 1", "from 2 to 1024"),
    (Plan, {"order": -1}, "order = -1", "from 0 to 2147483647"),
    (Plan, {"order": 2**31}, "order = 2147483648", "from 0 to 2147483647"),
    (Plan, {"order": "shuffled"}, "order = 'shuffled'", "whole number"),
    (load_corpus, {"vocabulary": 255}, "vocabulary = 255", "from 256 to 65535"),
    (load_corpus, {"vocabulary": 65536}, "vocabulary = 65536", "from 256 to 65535"),
    (Plan, {"probe_positions": 0}, "probe_positions = 0", "from 1 to"),
    (Plan, {"probe_positions": "all"}, "probe_positions = 'all'", "whole number"),
    (Plan, {"probe_positions": math.inf}, "probe_positions = inf", "whole number"),
    (continue_prompts, ASKED | {"new_tokens": 0}, "new_tokens = 0", "from 1 to"),
    (continue_prompts, ASKED | {"new_tokens": "some"}, "new_tokens = 'some'", "whole number"),
    (continue_prompts, ASKED | {"temperature": -1}, "temperature = -1", "at least 0.0"),
    (continue_prompts, ASKED | {"temperature": math.inf}, "temperature = inf", "number"),
    (continue_prompts, ASKED | {"top_k": -1}, "top_k = -1", "at least 0"),
    (continue_prompts, ASKED | {"top_p": 0}, "top_p = 0", "from 1e-06 to 1.0"),
    (continue_prompts, ASKED | {"top_p": 1.5}, "top_p = 1.5", "from 1e-06 to 1.0"),
    (continue_prompts, ASKED | {"seed": 2**31}, "seed = 2147483648", "from 0 to 2147483647"),
    (prompt_ids, {"texts": ""}, "prompts = ''", "one or more texts"),
    (prompt_ids, {"texts": "|"}, "prompts = '|'", "with | between them"),
    (prompt_ids, {"texts": 5}, "prompts = 5", "one or more texts"),
    (prompt_ids, {"texts": [5]}, "prompts = [5]", "one or more texts"),
    (prompt_ids, {"texts": []}, "prompts = []", "one or more texts"),
    (rarefaction, {"abundances": [(2, 3)], "positions": 0}, "positions = 0", "from 1 to 6"),
    (rarefaction, {"abundances": [(2, 3)], "positions": 7}, "positions = 7", "from 1 to 6"),
    (rarefaction, {"abundances": [(2, 3)], "positions": 1.5}, "positions = 1.5", "whole number"),
    (seq_rep_n, {"ids": SHORT}, "n = 4", "from 1 to 3"),
    (seq_rep_n, {"ids": SHORT, "n": 0}, "n = 0", "from 1 to 3"),
    (distinct_n, {"ids": SHORT, "n": 4}, "n = 4", "from 1 to 3"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("build", "arguments", "named", "allowed"), BAD, ids=[f"{b.__name__}-{n}" for b, _, n, _ in BAD]
)
def test_bad_values_are_refused_in_one_line(build, arguments, named, allowed):
    with pytest.raises(ParameterError) as error:
        build(**arguments)
    message = str(error.value)
    assert named in message
    assert allowed in message
    assert "\n" not in message


def test_the_table_is_long_enough():
    assert len(BAD) >= 85


def test_text_that_yaml_leaves_text_is_converted():
    assert Recipe(peak_lr="1e-3").peak_lr == 1e-3
    assert Plan(hidden="512", steps="2e4").runs[0].steps == 20000
    assert Plan(hidden=512.0).hidden == 512


def test_a_notebook_shows_the_line_without_a_stack_trace():
    error = ParameterError("hidden", 7, "must be even")
    assert error._render_traceback_() == ["ParameterError: hidden = 7: must be even"]


@given(st.one_of(st.text(), st.floats(), st.none(), st.binary(), st.lists(st.integers())))
def test_integers_are_integers_or_refused(value):
    try:
        assert isinstance(checks.integer("x", value, 0, 100), int)
    except ParameterError as error:
        assert str(error).startswith("x = ")


def test_a_refusal_comes_whole_out_of_another_process():
    error = ParameterError("hidden", 250, "must be a multiple of 8")
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == str(error) == "hidden = 250: must be a multiple of 8"


def test_numbers_of_numpy_are_numbers():
    plan = Plan(hidden=np.int64(64), steps=np.float64(16), seeds=np.arange(2), scale="full")
    assert plan.runs[-1] == RunConfig("adamw-0.0", hidden=64, steps=16, seed=1)
    with pytest.raises(ParameterError, match="whole number"):
        Plan(hidden=np.float32(64.5))


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("one\ntwo"), "one"),
        (ValueError("\n one \r\n two"), "one"),
        (ValueError(), "ValueError"),
        (OSError(2, "not there", "a\nb"), "[Errno 2] not there: 'a\\nb'"),
    ],
    ids=repr,
)
def test_of_a_cause_the_first_line_is_told(error, line):
    assert first_line(error) == line


def test_an_error_of_a_damaged_run_is_one_line(tmp_path, monkeypatch):
    def damaged(folder):
        raise ValueError("damaged\nin two places")

    monkeypatch.setattr(History, "_load", damaged)
    with pytest.raises(HistoryError) as error:
        History.load(tmp_path)
    assert str(error.value).endswith("(damaged); move it away to train again")
    assert "\n" not in str(error.value)
