"""Notifications as JSON, for the plans of jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from notifier.core.models import Kind, Notification, Priority

_FIELDS = tuple(field.name for field in fields(Notification))


def planned(notification: Notification) -> dict[str, Any]:
    return {
        **{name: getattr(notification, name) for name in _FIELDS},
        "excluded": sorted(notification.excluded),
        "content": notification.content.decode(),
    }


def notification_from(plan: Mapping[str, Any]) -> Notification:
    changed = {
        "kind": Kind(plan["kind"]),
        "priority": Priority(plan["priority"]),
        "excluded": frozenset(plan["excluded"]),
        "content": plan["content"].encode(),
    }
    return Notification(**{**plan, **changed})
