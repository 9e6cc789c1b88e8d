"""Files that may be a stranger's: what is read, what is refused, and what is never written into."""

import os

import pytest

from bitnet import files


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret"
    path.write_text("secret")
    return path


def link(path, target):
    path.symlink_to(target)
    return path


def pipe(path):
    os.mkfifo(path)
    return path


def test_only_regular_files_of_sane_size_are_read(tmp_path, secret):
    assert files.read_text(secret) == "secret"
    refused = {
        link(tmp_path / "link", secret): "link is a symbolic link",
        link(tmp_path / "dangling", tmp_path / "nothing"): "dangling is a symbolic link",
        pipe(tmp_path / "pipe"): "pipe is not a regular file",  # opened it would be waited for
        files.Path("/dev/zero"): "zero is not a regular file",
        tmp_path: "is not a regular file",
    }
    for path, why in refused.items():
        with pytest.raises(files.ForeignFileError, match=why):
            files.read_bytes(path)
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(files.ForeignFileError, match="sparse has 1099511627776 bytes, of at most"):
        files.read_json(tmp_path / "sparse")


@pytest.mark.parametrize("make", [lambda p: link(p, "/etc"), pipe], ids=["link", "pipe"])
def test_a_folder_with_something_else_in_it_is_refused(tmp_path, make):
    (tmp_path / "run" / "notes").mkdir(parents=True)
    (tmp_path / "run" / "a.csv").touch()
    files.check_folder(tmp_path / "run")
    files.check_folder(tmp_path / "missing")
    make(tmp_path / "run" / "b.csv")
    with pytest.raises(files.ForeignFileError, match=r"b\.csv is "):
        files.check_folder(tmp_path / "run")


def test_a_link_to_a_folder_is_none_of_ours(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(files.ForeignFileError, match="run is a symbolic link"):
        files.check_folder(link(tmp_path / "run", tmp_path / "elsewhere"))


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/b", "..", ".", "", "a\\b", "a\0", 7])
def test_a_name_from_a_file_stays_in_its_folder(tmp_path, name):
    assert files.sibling(tmp_path, "a.csv") == tmp_path / "a.csv"
    with pytest.raises(ValueError, match="is not the name of a file in the folder"):
        files.sibling(tmp_path, name)


@pytest.mark.parametrize("make", [link, lambda path, _: pipe(path)], ids=["link", "pipe"])
def test_a_file_is_written_in_the_place_of_a_link_never_through_it(tmp_path, secret, make):
    path = make(tmp_path / "a.tmp", secret)
    files.write_text(path, "ours")
    assert (path.read_text(), secret.read_text()) == ("ours", "secret")


@pytest.mark.parametrize("depth", [files.DEEPEST + 1, 200_000])
@pytest.mark.parametrize(("before", "after"), [("[", "]"), ('{"a":', "}")], ids=["list", "object"])
def test_json_that_is_nested_deep_is_refused(depth, before, after):
    with pytest.raises(ValueError, match="nested more than 32 deep"):
        files.parse_json(f"{before * depth}1{after * depth}")
    flat = f"{before * files.DEEPEST}1{after * files.DEEPEST}"
    assert files.parse_json(flat)
    assert files.parse_json('"[[[["') == "[[[["
