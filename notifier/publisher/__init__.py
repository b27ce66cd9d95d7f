"""What services publish with: ``Publisher`` on asyncio, ``SyncPublisher`` everywhere else.

Nothing of the server is imported here, and no driver but that of the way that is used.
"""

from __future__ import annotations

from notifier.publisher.publisher import Fields, Publisher
from notifier.publisher.sync import SyncPublisher
from notifier.queue.messages import Outcome

__all__ = ["Fields", "Outcome", "Publisher", "SyncPublisher"]
