"""Models by their names: runs of ours, folders of transformers, and what is neither or broken."""

import json
import re
import sys

import pytest
import torch

from bitnet import HistoryError, ParameterError
from bitnet.diagnosis.source import opened
from bitnet.extras import remedy
from tests.support.folders import VOCABULARY, gpt2_folder
from tests.support.runs import write as write_run

pytestmark = pytest.mark.long("transformers")


def test_a_run_of_ours_comes_with_its_words_and_an_optimizer_of_its_recipe(tiny_runs):
    run = tiny_runs["l2-0.05", 0]
    found = opened(run.folder)
    assert found.words.size == run.config.vocabulary
    assert type(found.optimizer).__name__.startswith("Adam")
    assert found.optimizer.param_groups[0]["weight_decay"] == 0.1


def test_a_folder_of_transformers_comes_with_its_tokenizer(tmp_path, capsys):
    model = gpt2_folder(tmp_path)
    found = opened(str(tmp_path))
    ids = torch.arange(20)[None]
    model.eval()
    found.model.eval()
    torch.testing.assert_close(found.model(ids).logits, model(ids).logits)
    assert found.words.encode("abc") == VOCABULARY.encode(["abc"])[0]
    assert found.optimizer is None
    said = capsys.readouterr()
    assert said.out + said.err == ""


def refused(name, match, error=ParameterError):
    with pytest.raises(error, match=match) as found:
        opened(name)
    assert "\n" not in str(found.value)


def test_what_is_no_model_is_refused_in_one_line(tmp_path):
    refused(tmp_path, "holds neither a run .manifest.json. nor a model of transformers")
    refused("", "^model = '': must be a folder or a name")
    refused(str(tmp_path / "absent"), "cannot be loaded by transformers")
    refused("someone/some-model", "^model = 'someone/some-model': cannot be loaded by transformers")
    (tmp_path / "config.json").write_text("{")
    refused(tmp_path, "cannot be loaded by transformers")
    write_run(tmp_path / "unfinished", [2, 4])
    refused(tmp_path / "unfinished", "so there is no trained model", HistoryError)


def test_a_base_model_is_refused_and_gets_no_random_head(tmp_path):
    gpt2_folder(tmp_path, whole=False)
    refused(tmp_path, "has no weights for lm_head.weight, and 1 are missing in all: it is no whole")


def test_code_of_a_model_s_own_is_never_run_unasked(tmp_path):
    """Not even looked at: the module that the folder names would leave a file."""
    gpt2_folder(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    ran = tmp_path / "ran"
    (tmp_path / "own.py").write_text(f"open({str(ran)!r}, 'w').close()\n")
    config |= {
        "model_type": "own", "auto_map": {"AutoConfig": "own.C", "AutoModelForCausalLM": "own.M"},
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config))
    refused(tmp_path, "cannot be loaded by transformers .*custom code")
    assert not ran.exists()


def test_without_transformers_a_run_is_read_and_the_remedy_is_named(tiny_runs, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert opened(tiny_runs["l2-0.0", 0].folder).model
    refused("gpt2", f"needs the package transformers; {re.escape(remedy('export'))}")
