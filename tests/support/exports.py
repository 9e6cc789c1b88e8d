"""Exports and files to send back whose writing stands still at a moment, in another process."""

import os
from types import SimpleNamespace

from bitnet.display import bundle
from bitnet.hf import export as module
from bitnet.hf.agreement import Agreement, Difference

NONE = Difference(0.0, 0.0)
# What an export asks of transformers, without it.
WITHOUT = {
    "require_transformers": lambda: SimpleNamespace(__version__="none"),
    "agreement": lambda *_: Agreement(1, NONE, NONE),
}
# After the model, after its card, and when the bytes are to be on the disk.
MOMENTS = {"model": (module, "write_model"), "card": (module, "model_card"), "disk": (os, "fsync")}


def export_and_pause(connection, run, out, moment):
    """Export a run without transformers; a word is sent at the moment, and one waited for."""
    for name, stand_in in WITHOUT.items():
        setattr(module, name, stand_in)
    _pause(connection, *MOMENTS[moment])
    module.export(run, out, log=lambda line: None)


def pack_and_pause(connection, path, content):
    """Fill a file to send back with that content; the moment is before it gets its name."""
    bundle._packed = lambda *_: content
    _pause(connection, bundle, "put_in_place")
    bundle.reserve(path)
    bundle.pack(path, [], [], {})


def _pause(connection, module, name):
    function = getattr(module, name)

    def paused(*arguments):
        found = None if name == "put_in_place" else function(*arguments)
        connection.send(name)
        connection.recv()
        return function(*arguments) if name == "put_in_place" else found

    setattr(module, name, paused)
