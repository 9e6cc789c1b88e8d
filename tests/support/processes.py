"""Processes forked from one that has the library imported, so that each starts at once."""

import multiprocessing

__all__ = ["start"]

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.support.warm"])


def start(target, *arguments):
    """A process that runs target(connection, *arguments), and this end of the connection.

    `target` is a function of `tests.support`. Each process starts with the environment, the folder
    and the signals of the first call, and alone: with one thread and nothing of the test in it.
    """
    here, there = _CONTEXT.Pipe()
    process = _CONTEXT.Process(target=target, args=(there, *arguments), daemon=True)
    process.start()
    there.close()
    return process, here
