"""The texts of a corpus: Wikipedia articles, speeches, WikiText-2 from the hub, or your files."""

import bz2
import contextlib
import hashlib
import os
import re
import stat
import threading
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

from bitnet import checks
from bitnet.tokenizer import package_file

__all__ = ["CORPORA", "LARGEST_TEXT", "check_corpus", "source"]

CORPORA = ("wikipedia-sample", "sotu", "wikitext-2")
MOST_FILES = 10**5  # in a folder of texts, whatever they are called
LARGEST_TEXT = 100 * 10**6  # bytes; what is made of them takes about ten times as many

_DUMP = "test/test_data/enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"
_SPEECHES = "data/speeches"  # State of the Union addresses, named by their year
_LISTENERS = re.compile(r" ?\[(?:applause|laughter)\.?\]", re.IGNORECASE)
_HUB_PATIENCE = 2.5  # seconds to wait for the hub before saying that it is out of reach


def check_corpus(name: object) -> str:
    """The name of a known corpus, or a path that exists. Raises: `ParameterError`."""
    name = os.fspath(name) if isinstance(name, os.PathLike) else name
    if not isinstance(name, str) or not name:
        allowed = f"must be one of {', '.join(CORPORA)}, or a path"
        raise checks.ParameterError("corpus", name, allowed)
    if name in CORPORA:
        return name
    try:
        there = _path(name).stat()
    except FileNotFoundError:
        if os.sep in name or name.endswith(".txt"):
            raise checks.ParameterError("corpus", name, "no such file or folder") from None
        return checks.choice("corpus", name, (*CORPORA, "a path"))
    except (OSError, ValueError, RuntimeError) as error:  # a loop of links, NUL, an unknown ~user
        raise _unreadable(name, name, error) from error
    if not (stat.S_ISREG(there.st_mode) or stat.S_ISDIR(there.st_mode)):
        allowed = "must be a text file or a folder, and is neither"
        raise checks.ParameterError("corpus", name, allowed)
    return name


def source(name: str) -> tuple[Callable[[], list[str]], str]:
    """How to read the texts of a corpus, and a word that changes when its source does."""
    if name == "wikipedia-sample":
        dump = package_file("gensim", _DUMP)
        return lambda: _wikipedia_articles(dump), f"{name}:{_digest(name, [dump])}"
    if name == "wikitext-2":
        return _wikitext, "Salesforce/wikitext wikitext-2-raw-v1 train"
    if name == "sotu":
        speeches = sorted(package_file("sotu", _SPEECHES).glob("*.txt"))
        digest = _digest(name, speeches)
        read = partial(_text_files, name, speeches, digest)
        return lambda: [_speech(text) for text in read()], f"{name}:{digest}"
    path = _path(name)
    files = _texts_in(name, path) if path.is_dir() else [path]
    # A folder's own pipes and devices would be waited for.
    files = [file for file in files if file.is_file()]
    if not files:
        raise checks.ParameterError("corpus", name, "the folder holds no .txt file")
    digest = _digest(name, files)
    return lambda: _text_files(name, files, digest), digest


def _texts_in(name: str, folder: Path) -> list[Path]:
    """What is called .txt in a folder of sane size, in its order; links to folders are left out."""
    found, seen = [], 0
    for place, folders, files in os.walk(folder):
        seen += len(folders) + len(files)
        if seen > MOST_FILES:
            allowed = f"holds more than {MOST_FILES} files; give the folder of its texts alone"
            raise checks.ParameterError("corpus", name, allowed)
        found += [Path(place) / file for file in files if file.endswith(".txt")]
    return sorted(found)


def _path(name: str) -> Path:
    return Path(name).expanduser()


def _digest(name: str, files: Sequence[Path]) -> str:
    """The sha256 of what is in the files, in their order, a block at a time."""
    digest, size = hashlib.sha256(), 0
    for file in files:
        try:
            with file.open("rb") as stream:
                size += os.fstat(stream.fileno()).st_size
                if size > LARGEST_TEXT:
                    allowed = f"must be at most {LARGEST_TEXT // 10**6} MB of text"
                    raise checks.ParameterError("corpus", name, allowed)
                digest.update(hashlib.file_digest(stream, "sha256").digest())
        except OSError as error:
            raise _unreadable(name, file.name, error) from error
    return digest.hexdigest()


def _unreadable(name: str, what: str, error: Exception) -> checks.ParameterError:
    why = getattr(error, "strerror", None) or checks.first_line(error)
    return checks.ParameterError("corpus", name, f"{what} cannot be read ({why})")


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
    try:
        import datasets  # makes folders in its cache

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


def _text_files(name: str, files: Sequence[Path], digest: str) -> list[str]:
    """The documents of text files: UTF-8, a mark of byte order left out, lines ended by \\n.

    `digest` is what `_digest` found of them: a text that changes meanwhile is not trained on.
    """
    whole, texts = hashlib.sha256(), []
    for file in files:
        try:
            content = file.read_bytes()
            texts.append(content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n"))
        except OSError as error:
            raise _unreadable(name, file.name, error) from error
        except UnicodeDecodeError:
            allowed = f"must be UTF-8 text, and {file.name} is not"
            raise checks.ParameterError("corpus", name, allowed) from None
        whole.update(hashlib.sha256(content).digest())
    if whole.hexdigest() != digest:
        raise checks.ParameterError("corpus", name, "has changed while it was read; try again")
    return texts


def _speech(text: str) -> str:
    """A speech without what its listeners did."""
    return _LISTENERS.sub("", text).rstrip() + "\n\n"


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
