"""How many pictures are encoded together: found by measuring while the work goes on."""

from typing import Final

LEAST: Final = 8
MOST: Final = 128
GAIN: Final = 0.05  # by which a picture must be quicker in a batch of twice the size


class BatchSize:
    """Doubles the size while that makes pictures quicker, and halves it when the memory does not suffice.

    Each size is measured by its second batch, as the first one of a size can take longer.
    """

    def __init__(self) -> None:
        self.size = LEAST
        self._most, self._is_found, self._batches = MOST, False, 0
        self._former_s = float("inf")

    def measured(self, count: int, seconds: float) -> None:
        """Take the time of a batch. count: its pictures; one that is not full says nothing."""
        if self._is_found or count != self.size:
            return
        self._batches += 1
        if self._batches < 2:
            return
        picture_s = seconds / count
        is_quicker = picture_s < self._former_s * (1 - GAIN)
        if is_quicker and self.size * 2 <= self._most:
            self._former_s, self._batches = picture_s, 0
            self.size *= 2
            return
        self._is_found = True
        if not is_quicker:
            self.size = max(LEAST, self.size // 2)

    def exceeded(self, count: int) -> None:
        """Halve the size, as a batch of so many pictures needs too much memory; never go back to such a size."""
        self.size = self._most = max(1, count // 2)
        self._is_found = True
