"""The texts of a corpus: a sample of Wikipedia, WikiText-2 from the hub, or your own files."""

import bz2
import contextlib
import hashlib
import os
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

from bitnet import checks
from bitnet.tokenizer import package_file

__all__ = ["CORPORA", "check_corpus", "source"]

CORPORA = ("wikipedia-sample", "wikitext-2")

_DUMP = "test/test_data/enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"
_HUB_PATIENCE = 2.5  # seconds to wait for the hub before saying that it is out of reach


def check_corpus(name: object) -> str:
    """`name` if it is a known corpus or a path that exists. Raises: `ParameterError`."""
    if not isinstance(name, str) or not name:
        allowed = f"must be one of {', '.join(CORPORA)}, or a path"
        raise checks.ParameterError("corpus", name, allowed)
    if name not in CORPORA and not Path(name).expanduser().exists():
        if os.sep in name or name.endswith(".txt"):
            raise checks.ParameterError("corpus", name, "no such file or folder")
        checks.choice("corpus", name, (*CORPORA, "a path"))
    return name


def source(name: str) -> tuple[Callable[[], list[str]], str]:
    """How to read the texts of a corpus, and a word that changes when its source does."""
    if name == "wikipedia-sample":
        dump = package_file("gensim", _DUMP)
        return lambda: _wikipedia_articles(dump), hashlib.sha256(dump.read_bytes()).hexdigest()
    if name == "wikitext-2":
        return _wikitext, "Salesforce/wikitext wikitext-2-raw-v1 train"
    path = Path(name).expanduser()
    files = sorted(path.rglob("*.txt")) if path.is_dir() else [path]
    if not files:
        raise checks.ParameterError("corpus", name, "the folder holds no .txt file")
    digest = hashlib.sha256()
    for file in files:
        try:
            digest.update(hashlib.sha256(file.read_bytes()).digest())
        except OSError as error:
            allowed = f"{file.name} cannot be read ({error.strerror})"
            raise checks.ParameterError("corpus", name, allowed) from error
    return lambda: _text_files(name, files), digest.hexdigest()


def _wikipedia_articles(dump: Path) -> list[str]:
    """The articles of a MediaWiki dump, without redirects and without markup."""
    import mwparserfromhell

    texts = []
    with bz2.open(dump) as stream:
        for _, page in ElementTree.iterparse(stream):
            if not page.tag.endswith("}page"):
                continue
            if page.findtext("{*}ns") == "0" and page.find("{*}redirect") is None:
                markup = page.findtext("{*}revision/{*}text") or ""
                texts.append(str(mwparserfromhell.parse(markup).strip_code()) + "\n\n")
            page.clear()
    return texts


def _wikitext() -> list[str]:
    """The brief's corpus, from the hub or from the copy that an earlier visit left."""
    import datasets

    try:
        with _quiet_datasets(offline=not _hub_answers()):
            rows = datasets.load_dataset("Salesforce/wikitext", "wikitext-2-raw-v1", split="train")
    except Exception as error:  # whatever the hub client raises, the remedy is the same
        problem = f"{type(error).__name__}: {checks.first_line(error)}"
        needs = f"needs the Hugging Face hub once, and could not be had ({problem})"
        remedy = "go online, or use corpus=wikipedia-sample"
        raise checks.ParameterError("corpus", "wikitext-2", f"{needs}; {remedy}") from error
    return ["".join(rows["text"])]


def _hub_answers() -> bool:
    """Whether the hub can be reached, within seconds; its client would retry for longer."""
    if os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0"):
        return False
    answered = threading.Event()

    def knock() -> None:
        endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
        with contextlib.suppress(OSError, ValueError):
            request = urllib.request.Request(endpoint, method="HEAD")
            urllib.request.urlopen(request, timeout=_HUB_PATIENCE).close()
            answered.set()

    # A thread, since looking up a name has no time limit of its own.
    threading.Thread(target=knock, daemon=True).start()
    return answered.wait(_HUB_PATIENCE)


def _text_files(name: str, files: list[Path]) -> list[str]:
    """The documents of text files, read through `datasets`."""
    import datasets

    for file in files:
        try:
            file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            allowed = f"must be UTF-8 text, and {file.name} is not"
            raise checks.ParameterError("corpus", name, allowed) from None
    paths = [str(file) for file in files]
    with _quiet_datasets():
        rows = datasets.Dataset.from_text(paths, sample_by="document", keep_in_memory=True)
    return list(rows["text"])


@contextlib.contextmanager
def _quiet_datasets(offline: bool = True) -> Iterator[None]:
    """`datasets` without progress bars and, if `offline`, without retries: from disk only."""
    import datasets
    import huggingface_hub.constants as hub

    before = datasets.config.HF_HUB_OFFLINE, hub.HF_HUB_OFFLINE
    if offline:
        datasets.config.HF_HUB_OFFLINE = hub.HF_HUB_OFFLINE = True
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE, hub.HF_HUB_OFFLINE = before
        datasets.enable_progress_bars()
