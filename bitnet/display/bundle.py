"""One file to send back: the runs of a study, its verdict and page, and what it ran on."""

import io
import json
import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from filelock import FileLock

from bitnet import checks, files
from bitnet.analysis.answer import beside_full, in_words
from bitnet.analysis.counts import final_counts
from bitnet.analysis.preflight import Finding
from bitnet.analysis.verdict import judge
from bitnet.checks import ParameterError, first_line
from bitnet.display.report import QUESTION, TRACE_FILES, read_report, write_report
from bitnet.runs.checkpoint import put_in_place
from bitnet.runs.history import VOCABULARY_FILE, History, HistoryError, seal
from bitnet.runs.plan import Plan
from bitnet.runs.schema import check_environment
from bitnet.scales import FULL, scale_of

__all__ = ["Bundle", "judged", "pack", "read_bundle", "reserve"]

LIMIT = 2_000_000  # bytes, of the file
UNPACKED, MEMBERS = 50_000_000, 500  # what a file may hold that is read
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError)
ENVIRONMENT = "environment.json"
_RUN = "|".join(map(re.escape, (*TRACE_FILES, VOCABULARY_FILE)))
_MEMBER = re.compile(
    rf"report\.html|verdict\.json|environment\.json|counts\.csv|runs/[\w+=,-][\w.+=,-]*/({_RUN})"
)


@dataclass(frozen=True)
class Bundle:
    """What such a file holds: the verdict's facts, what it ran on, and the runs, verified."""

    facts: Mapping[str, Any]
    environment: Mapping[str, Any]
    histories: Sequence[History]


def judged(histories: Sequence[History]) -> list[History]:
    """The runs that answer the question: the longest; a shorter one checks the machine."""
    longest = max(history.config.steps for history in histories)
    return [history for history in histories if history.config.steps == longest]


def reserve(path: Path) -> None:
    """Take the name of a file that is to be written later.

    One that is empty was taken by a process that was killed, or is to be filled by another: who
    comes first, see `pack`.

    Raises: `ParameterError` where there is one already, or none can be.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("xb").close()
    except FileExistsError:
        if not _empty(path):
            raise ParameterError("to", str(path), "is there already; give another name") from None
    except OSError as error:
        raise ParameterError("to", str(path), f"cannot be written ({error.strerror})") from error


def pack(
    path: Path,
    histories: Sequence[History],
    findings: Sequence[Finding],
    environment: Mapping[str, Any],
) -> None:
    """Fill the `reserve`d file, whole or not at all, with finished runs and the verdict on them.

    No folder of this machine is named in it: a text of one's own goes by the name of its file.

    Raises: `HistoryError` where the file would be too large, or cannot be written, or another
    process has filled it.
    """
    try:
        content = _packed(histories, findings, environment)
        if len(content) > LIMIT:
            raise HistoryError(f"{path}: {len(content)} bytes, more than {LIMIT}; give fewer runs")
        _fill(path, content)
    except OSError as error:
        remedy = "make room and start it again; finished runs are kept"
        raise HistoryError(f"{path}: cannot be written ({first_line(error)}); {remedy}") from error


def _fill(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}.tmp")
    with FileLock(path.with_name(f".{path.name}.lock")):
        if not _empty(path):
            raise HistoryError(f"{path}: another process has filled it; start it again")
        try:
            partial.unlink(missing_ok=True)  # left by a process that was killed, or a link
            partial.write_bytes(content)
            put_in_place(partial, path)
        finally:
            partial.unlink(missing_ok=True)
    path.with_name(f".{path.name}.lock").unlink(missing_ok=True)


def _empty(path: Path) -> bool:
    """Whether a name is taken by an empty file, or by none."""
    return not path.exists() or (path.is_file() and not path.stat().st_size)


def _packed(
    histories: Sequence[History], findings: Sequence[Finding], environment: Mapping[str, Any]
) -> bytes:
    with TemporaryDirectory() as name:
        folder = Path(name)
        runs = [_copy(history, folder / "runs") for history in histories]
        longest = judged(runs)
        config = longest[-1].config
        scale = scale_of(config) or FULL
        plan = Plan(config.hidden, config.steps, config.arm, device="cpu", scale=scale.name)
        report = write_report(folder / "report", plan, longest, findings, judge(longest))
        facts = read_report(report)
        for run in facts["runs"]:
            run["folder"] = f"runs/{Path(run['folder']).name}"
        members = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted((folder / "runs").glob("*/*"))
        }
        members |= {
            "verdict.json": _json(facts),
            ENVIRONMENT: _json(environment),
            "counts.csv": final_counts(runs).to_csv(index=False).encode(),
            "report.html": (report / "report.html").read_bytes(),
        }
    return _zipped(members)


def read_bundle(path: str | Path) -> Bundle:
    """The content of such a file: runs by their checksums, and what is to be said of them.

    The verdict in the file has to be that of its runs; the words are not taken from it, but found
    again from its runs.

    Nothing is left on the disk. Raises: `HistoryError` where anything in it is not as it has to be.
    """
    path = checks.path("report", path)
    problem = f"{path}: not a whole file of `bitnet verify-gpu`"
    try:
        members = _unzipped(files.read_bytes(path.resolve(), LIMIT))
        with TemporaryDirectory() as folder:
            for name, data in members.items():
                target = Path(folder) / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
            facts = read_report(folder)
            environment = files.read_json(Path(folder) / ENVIRONMENT)
            manifests = sorted(Path(folder).glob("runs/*/manifest.json"))
            histories = [History.load(manifest.parent) for manifest in manifests]
        check_environment(environment, name_prefix=ENVIRONMENT)
        if not histories or judge(judged(histories)).answer != facts["answer"]:
            raise ValueError("its verdict is not that of its runs")
    except HistoryError as error:
        raise HistoryError(f"{problem} ({str(error).replace(f'{folder}/', '')})") from error
    except (*_BROKEN, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise HistoryError(f"{problem} ({first_line(error)})") from error
    histories.sort(key=lambda history: (history.config.steps, history.config.hidden))
    return Bundle(facts | _words(judged(histories)), environment, histories)


def _words(histories: Sequence[History]) -> dict[str, Any]:
    """What a report says of these runs, and beside them of the committed ones."""
    verdict = judge(histories)
    beside = beside_full(histories, verdict)
    found = {"question": QUESTION, "in_words": in_words(histories, verdict), **verdict.to_dict()}
    return found | {"beside_full": None if beside is None else beside.to_dict()}


def _copy(history: History, runs: Path) -> History:
    """A run without its weights, in a folder of its name; its text has no path."""
    assert history.folder is not None
    target = runs / history.folder.name
    target.mkdir(parents=True)
    for name in (*TRACE_FILES, VOCABULARY_FILE):
        if (history.folder / name).exists():  # GPT-2's vocabulary is kept elsewhere
            (target / name).write_bytes((history.folder / name).read_bytes())
    manifest = json.loads((target / "manifest.json").read_text())
    for part, key in (("config", "corpus"), ("corpus", "name")):
        manifest[part][key] = Path(manifest[part][key]).name
    manifest["sha256"] = seal(manifest)
    (target / "manifest.json").write_bytes(_json(manifest))
    return History.load(target)


def _json(value: object) -> bytes:
    return f"{json.dumps(value, indent=1)}\n".encode()


def _zipped(members: Mapping[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return content.getvalue()


def _unzipped(content: bytes) -> dict[str, bytes]:
    """The members by name. Raises: `ValueError` for what no such file holds, before it is read."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        found = archive.infolist()
        if len(found) > MEMBERS or sum(member.file_size for member in found) > UNPACKED:
            raise ValueError("it holds too much")
        for member in found:
            if not _MEMBER.fullmatch(member.filename):
                raise ValueError(f"it holds {member.filename!r}")
        if len({member.filename for member in found}) < len(found):
            raise ValueError("it holds a name twice")
        return {member.filename: archive.read(member) for member in found}
