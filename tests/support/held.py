"""The command line as it is, but with a checkpoint every 10 updates; it stands still at step 20."""

import runpy
import sys
import time

from bitnet.runs import run
from bitnet.runs.checkpoint import Cadence


class Held(Cadence):
    def __init__(self, _):
        super().__init__(every=10)

    def due(self, step):
        if step == 20:
            sys.stdout.write("held\n")
            sys.stdout.flush()
        while step == 20:
            time.sleep(0.01)
        return super().due(step)


if __name__ == "__main__":
    run.Cadence = Held
    runpy.run_module("bitnet", run_name="__main__", alter_sys=True)
