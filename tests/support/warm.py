"""What `tests.support.processes` has imported before it forks."""

import signal

import torch

import tests.support.runs  # noqa: F401

torch.set_num_threads(1)  # the threads of a process do not survive a fork
# A process whose parent runs in the background is born deaf to Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
