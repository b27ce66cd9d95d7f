"""What a publisher wants, checked and complete: it becomes a notification when it is delivered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from notifier.core.models import Notification, Priority, encode_content, rfc3339


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """``fields`` are what readers get as it was published; ``lifetime`` is in milliseconds and
    counts from the delivery."""

    id: str
    type: str
    priority: Priority
    publisher: str
    audiences: tuple[str, ...]
    excluded: frozenset[str]
    lifetime: int
    fields: Mapping[str, Any]

    @property
    def collapse_key(self) -> str | None:
        return self.fields.get("collapse_key")

    def notification(self, at: int) -> Notification:
        """The notification, if it is delivered at this time."""
        expires_at = at + self.lifetime
        content = {
            "notification_id": self.id,
            "type": self.type,
            "priority": self.priority,
            **self.fields,
            "created_at": rfc3339(at),
            "expires_at": rfc3339(expires_at),
        }
        return Notification(
            id=self.id,
            type=self.type,
            priority=self.priority,
            publisher=self.publisher,
            created_at=at,
            expires_at=expires_at,
            excluded=self.excluded,
            copies=len(self.audiences),
            content=encode_content(content),
        )

    def as_dict(self) -> dict[str, Any]:
        """The order as JSON."""
        return {
            "id": self.id,
            "type": self.type,
            "priority": self.priority,
            "publisher": self.publisher,
            "audiences": list(self.audiences),
            "excluded": sorted(self.excluded),
            "lifetime": self.lifetime,
            "fields": dict(self.fields),
        }

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Self:
        changed = {
            "priority": Priority(row["priority"]),
            "audiences": tuple(row["audiences"]),
            "excluded": frozenset(row["excluded"]),
        }
        return cls(**{**row, **changed})
