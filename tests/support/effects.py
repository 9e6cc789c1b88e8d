"""What a piece of work does to its process, seen by the interpreter's own audit events."""

import os
import sys
import threading
from pathlib import Path

import torch

import bitnet

WATCHED = (
    "os.mkdir", "os.rename", "os.remove", "os.putenv", "os.unsetenv", "subprocess.Popen",
    "socket.connect", "shutil.copyfile",
)  # fmt: skip
TASKS = Path("/proc/self/task")  # one entry a thread, torch's own among them


def _settings():
    return {
        "environment": dict(os.environ),
        "threads": threading.active_count(),
        "workers": len(list(TASKS.iterdir())) if TASKS.exists() else 0,
        "torch threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "grad": torch.is_grad_enabled(),
        "type": torch.get_default_dtype(),
        "random state": torch.random.get_rng_state().tolist(),
        "denormal": (torch.tensor([1e-40]) * 1).item(),
        "folder": Path.cwd(),
    }


def of(code, folder):
    """Run `code` in `folder`, an empty one; what it wrote, started and set, as a list of texts."""
    os.chdir(folder)
    seen = []

    def hook(event, arguments):
        if event == "open":
            mode, flags = arguments[1], arguments[2] or 0
            writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if writes or set(mode or "") & set("wax+"):
                seen.append(f"open {arguments[0]} {mode} {flags}")
        elif event in WATCHED:
            seen.append(f"{event} {arguments}")

    def start(thread):
        seen.append(f"thread {thread.name}")

    before = _settings()
    threading.Thread.start = start
    sys.addaudithook(hook)  # which stays until the process ends
    exec(code, {"bitnet": bitnet, "torch": torch})
    found, after = list(seen), _settings()
    changed = [f"{name}: {after[name]}" for name in before if after[name] != before[name]]
    return found + changed + [f"file {path}" for path in Path(folder).rglob("*")]


def report(connection, code, folder):
    """Send what `of` finds."""
    connection.send(of(code, folder))
