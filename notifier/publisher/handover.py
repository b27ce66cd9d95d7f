"""Putting messages into the queue: scripts that Redis runs in one step.

Handing over is safe to repeat: a notification that has an outcome, if only ``queued``, is not
queued again, and an idempotency key answers the first id.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from notifier.core.models import Priority
from notifier.core.types import DEFAULT_TYPE
from notifier.publisher.drafts import Draft
from notifier.queue.messages import Message
from notifier.queue.names import KEPT_SECONDS, LANES, QueueNames, id_bytes

_LANES = "local lanes = {" + ", ".join(f"{p} = KEYS[{n + 4}]" for n, p in enumerate(LANES)) + "}"

PUBLISH = f"""
local record, kept = ARGV[1], ARGV[3]
if record ~= '' then
  local first = redis.call('GET', KEYS[3])
  if first then return first end
end
{_LANES}
local priority = ARGV[4]
if not lanes[priority] then priority = redis.call('HGET', KEYS[2], ARGV[5]) end
if not lanes[priority] then priority = '{Priority.NORMAL}' end
if redis.call('HEXISTS', KEYS[1], ARGV[2]) == 0 then
  redis.call('XADD', lanes[priority], '*', unpack(ARGV, 6))
  redis.call('HSET', KEYS[1], ARGV[2], 'queued:' .. priority)
  redis.call('EXPIRE', KEYS[1], kept)
  if record ~= '' then redis.call('SET', KEYS[3], record, 'EX', kept) end
end
return ''
"""
"""KEYS: outcomes, types, idempotency key, streams. ARGV: record of the key or nothing, id, seconds
to keep, priority, type, fields of the message. Answers an earlier record of the key, or nothing.

Queued first, then told: Redis takes nothing back when a later command of a script fails."""

WITHDRAW = f"""
{_LANES}
local outcome = redis.call('HGET', KEYS[1], ARGV[1])
local priority = outcome and string.match(outcome, '^queued:(%a+)$')
if not lanes[priority] then priority = '{Priority.HIGH}' end
redis.call('XADD', lanes[priority], '*', unpack(ARGV, 2))
return ''
"""
"""Behind the notification, if that is still in the queue. KEYS as above. ARGV: id, fields."""

SCRIPTS = {hashlib.sha1(text.encode()).hexdigest(): text for text in (PUBLISH, WITHDRAW)}  # noqa: S324
"""By the names under which Redis keeps them."""

_SHA_PUBLISH, _SHA_WITHDRAW = SCRIPTS


@dataclass(frozen=True, slots=True)
class Command:
    """A call of one of the scripts. ``size`` is in bytes, roughly."""

    script: str
    keys: tuple[str, ...]
    arguments: tuple[str | bytes, ...]
    size: int


def publish(draft: Draft, by: str, names: QueueNames) -> Command:
    message = Message(op="publish", id=draft.id, by=by, body=draft.body, key=draft.key)
    record = message.record if draft.key else ""
    return Command(
        _SHA_PUBLISH,
        _keys(names, draft.id, names.key(by, draft.key)),
        (
            *(
                record,
                id_bytes(draft.id),
                str(KEPT_SECONDS),
                draft.priority,
                draft.type or DEFAULT_TYPE,
            ),
            *_listed(message),
        ),
        len(draft.body) + 500,
    )


def withdraw(notification_id: str, by: str, names: QueueNames) -> Command:
    message = Message(op="withdraw", id=notification_id, by=by)
    keys = _keys(names, notification_id, names.key(by, ""))
    return Command(_SHA_WITHDRAW, keys, (id_bytes(notification_id), *_listed(message)), 500)


def _keys(names: QueueNames, notification_id: str, key: str) -> tuple[str, ...]:
    return (names.outcomes(notification_id), names.types, key, *names.lanes.values())


def _listed(message: Message) -> tuple[str | bytes, ...]:
    return tuple(part for field in message.fields().items() for part in field)
