"""A look at the GPU every few seconds while runs train: is it used, and is it slowed down?"""

import subprocess
import threading
from collections.abc import Callable
from statistics import median

__all__ = ["GpuWatch", "ask_nvidia_smi"]

# Drivers from 535 on call the last one clocks_event_reasons, and take the old name too.
FIELDS = (
    "name", "driver_version", "memory.total", "utilization.gpu", "temperature.gpu", "clocks.sm",
    "clocks.max.sm", "clocks_throttle_reasons.active",
)  # fmt: skip
# Bits of the last field that cost speed; the others say that it idles, or runs as it was set to.
# Source: NVML's nvmlClocksThrottleReasons.
SLOWED_BY = {
    0x04: "its power limit", 0x08: "its hardware", 0x20: "heat", 0x40: "heat",
    0x80: "its power supply",
}  # fmt: skip
IDLE = 10  # percent: a run keeps the card busy for most of the time
OFTEN = 0.1  # of the looks
SECONDS = 10.0  # between two looks

Ask = Callable[[], str]


def ask_nvidia_smi() -> str:
    """What the driver's own tool says, a line a GPU; nothing where it is missing or fails."""
    command = ("nvidia-smi", f"--query-gpu={','.join(FIELDS)}", "--format=csv,noheader,nounits")
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=30).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


class GpuWatch:
    """Looks at the GPU from a thread of its own; use as a context manager around the training.

    Of several GPUs each look keeps the busiest.
    """

    def __init__(self, ask: Ask = ask_nvidia_smi):
        self.ask = ask
        self.looks: list[dict[str, str]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "GpuWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def look(self) -> None:
        """Keep what is to be seen now, if anything is."""
        rows = [[cell.strip() for cell in line.split(",")] for line in self.ask().splitlines()]
        seen = [dict(zip(FIELDS, row, strict=True)) for row in rows if len(row) == len(FIELDS)]
        if seen:
            self.looks.append(max(seen, key=lambda gpu: _number(gpu["utilization.gpu"])))

    def warnings(self) -> list[str]:
        """What makes these runs slow, a line each."""
        if not self.looks:
            return ["nvidia-smi told nothing: whether the GPU is used and slowed down is not known"]
        found = []
        busy = median(_number(look["utilization.gpu"]) for look in self.looks)
        if busy < IDLE:
            found.append(f"the GPU is hardly used: it was busy for {busy:.0f} % of the time")
        for cause in dict.fromkeys(SLOWED_BY.values()):
            bits = sum(bit for bit, name in SLOWED_BY.items() if name == cause)
            slowed = [look for look in self.looks if _bits(look[FIELDS[-1]]) & bits]
            if len(slowed) > OFTEN * len(self.looks):
                hottest = max(_number(look["temperature.gpu"]) for look in slowed)
                often = f"in {len(slowed)} of {len(self.looks)} looks, at up to {hottest:.0f} C"
                found.append(f"the GPU was slowed down by {cause} {often}")
        return found

    def facts(self) -> dict[str, object]:
        """The GPU, and the ranges of what changes: percent, degrees Celsius, MHz."""
        if not self.looks:
            return {"looks": 0}
        found: dict[str, object] = {name: self.looks[-1][name] for name in FIELDS[:3]}
        for name in FIELDS[3:6]:
            values = [_number(look[name]) for look in self.looks]
            found[name] = {"least": min(values), "median": median(values), "most": max(values)}
        return found | {FIELDS[6]: _number(self.looks[-1][FIELDS[6]]), "looks": len(self.looks)}

    def _watch(self) -> None:
        while not self._over.wait(SECONDS):
            self.look()


def _number(text: str) -> float:
    """A number of nvidia-smi's; 0 for what a card does not tell, such as "[N/A]"."""
    try:
        return float(text)
    except ValueError:
        return 0.0


def _bits(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        return 0
