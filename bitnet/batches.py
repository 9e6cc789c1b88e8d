"""The batches of a run: consecutive pieces of the text, or windows of it in a shuffled order."""

import torch
from torch import Tensor

from bitnet.config import RunConfig

__all__ = ["Batches"]

EPOCHS_APART = 1_000_003  # of the draws of two orders: far more than a run has epochs


class Batches:
    """Batch t [batch_size, length] of `stream` [N], t = 1, 2, ..., as a function of t alone.

    So a run resumes anywhere. The recipe's `windows` "consecutive" reads on from where the last
    batch ended, and wraps around at the end. "shuffled" cuts the stream into windows, at another
    place in each epoch, and draws them without replacement, by the run's `order`.
    """

    def __init__(self, config: RunConfig, stream: Tensor):
        self.stream, self.order = stream, config.order
        self.batch_size, self.length = config.batch_size, config.sequence_length
        self.shuffled = config.recipe.windows == "shuffled"
        self._epoch, self._starts = -1, stream[:0]

    def __call__(self, step: int) -> Tensor:
        return self._drawn(step) if self.shuffled else self._consecutive(step)

    def _consecutive(self, step: int) -> Tensor:
        size = self.batch_size * self.length
        start = (step - 1) * size % len(self.stream)
        if start + size <= len(self.stream):
            return self.stream[start : start + size].view(self.batch_size, self.length)
        positions = torch.arange(start, start + size, device=self.stream.device)
        return self.stream[positions % len(self.stream)].view(self.batch_size, self.length)

    def _drawn(self, step: int) -> Tensor:
        # One window less than there is room for, so that the first can begin anywhere. Those that
        # do not fill a batch are left to the other epochs.
        places = len(self.stream) // self.length - 1
        count = max(1, places // self.batch_size)
        epoch, index = divmod(step - 1, count)
        if epoch != self._epoch:
            self._epoch, self._starts = epoch, self._starts_of(epoch, places)
        chosen = torch.arange(self.batch_size, device=self.stream.device) + index * self.batch_size
        within = torch.arange(self.length, device=self.stream.device)
        return self.stream[self._starts[chosen % places, None] + within]

    def _starts_of(self, epoch: int, places: int) -> Tensor:
        """Where the windows of an epoch start, in the order in which they are used."""
        generator = torch.Generator().manual_seed(self.order * EPOCHS_APART + epoch)
        offset = torch.randint(self.length, (), generator=generator)
        starts = offset + torch.randperm(places, generator=generator) * self.length
        return starts.to(self.stream.device)
