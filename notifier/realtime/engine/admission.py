"""Who may connect: caps in total, for an address, and for whatever else is counted."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Hashable

from .errors import Refused
from .options import EngineOptions

MINUTE = 60.0
# What one subscriber gets of IPv6, RFC 6177: anything in it is one client to us.
SITE = 64


class Admission:
    """Counts connections by key. A key is an address, or whatever an application claims."""

    def __init__(self, options: EngineOptions, clock: Callable[[], float] = time.monotonic) -> None:
        self._options = options
        self._clock = clock
        self._total = 0
        self._counts: dict[Hashable, int] = {}
        self._connects: dict[str, int] = {}
        self._minute = 0
        self.draining = False
        """True during shutdown: nobody is admitted."""

    @property
    def total(self) -> int:
        """Connections that are admitted now."""
        return self._total

    def admit(self, address: str) -> None:
        """Count a new connection of this address, or raise Refused. Undone by `leave`."""
        if self.draining:
            raise Refused("shutting down", self._options.retry_after)
        peer = site(address)
        self._count_connect(peer)
        self._take_place(peer)

    def hold(self, address: str) -> None:
        """Count a request that is held open like a connection; `leave` when it ends.

        How often requests come is not counted here. Raises Refused.
        """
        if self.draining:
            raise Refused("shutting down", self._options.retry_after)
        self._take_place(site(address))

    def leave(self, address: str) -> None:
        """A connection of this address has ended."""
        self._total -= 1
        self.release(("address", site(address)))

    def claim(self, key: Hashable, limit: int) -> bool:
        """Count one more under the key, unless `limit` (0: none) are counted. False if so."""
        count = self._counts.get(key, 0)
        if limit and count >= limit:
            return False
        self._counts[key] = count + 1
        return True

    def release(self, key: Hashable) -> None:
        """Count one less under the key."""
        if (count := self._counts[key] - 1) > 0:
            self._counts[key] = count
        else:
            del self._counts[key]

    def _take_place(self, peer: str) -> None:
        options = self._options
        if options.connections and self._total >= options.connections:
            raise Refused("too many connections", options.retry_after)
        if not self.claim(("address", peer), options.connections_per_address):
            raise Refused("too many connections of this address", options.retry_after)
        self._total += 1

    def _count_connect(self, peer: str) -> None:
        limit = self._options.connects_per_address
        if not limit:
            return
        # Counting by whole minutes lets everything be forgotten at once: memory is bounded by
        # what one minute brings.
        now = self._clock()
        if (minute := int(now / MINUTE)) != self._minute:
            self._minute = minute
            self._connects.clear()
        count = self._connects.get(peer, 0)
        if count >= limit:
            raise Refused("connecting too often", (minute + 1) * MINUTE - now)
        self._connects[peer] = count + 1


def site(address: str) -> str:
    """What an address is counted as: itself, but an IPv6 address as its network of 64 bits.

    An IPv4 address in the clothes of an IPv6 one is that IPv4 address.
    """
    if ":" not in address:
        return address
    try:
        parsed = ipaddress.IPv6Address(address)
    except ValueError:
        return address  # a proxy may name its client otherwise
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Address(int(parsed) >> SITE << SITE))
