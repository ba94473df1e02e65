"""Limits how often something happens: a token bucket for each key, in this process."""

import time
from collections.abc import Hashable
from threading import Lock

_MAX_KEYS = 10_000


class Buckets:
    """Each key may spend `burst` tokens at once, and gets `per_s` new ones each second."""

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_s, self._burst = per_s, burst
        self._full_at: dict[
            Hashable, float
        ] = {}  # key -> when its bucket is full again, by the monotonic clock
        self._lock = Lock()

    def wait_s(self, key: Hashable, cost: float = 1) -> float:
        """Return the time until there are enough tokens, 0 if there are. It spends nothing."""
        now = time.monotonic()
        return max(0.0, self._full_after(key, now, cost) - now - self._burst / self._per_s)

    def _full_after(self, key: Hashable, now: float, cost: float) -> float:
        """Return when the bucket is full again if these tokens are spent now."""
        return max(now, self._full_at.get(key, now)) + cost / self._per_s

    def spend(self, key: Hashable, cost: float = 1) -> float:
        """Spend tokens if there are enough and return 0, else spend nothing and return the time until then."""
        with self._lock:
            now = time.monotonic()
            full_at = self._full_after(key, now, cost)
            late_s = full_at - now - self._burst / self._per_s
            if late_s <= 0:
                self._full_at[key] = full_at
                if len(self._full_at) > _MAX_KEYS:
                    self._full_at = {each: at for each, at in self._full_at.items() if at > now}
            return max(0.0, late_s)
