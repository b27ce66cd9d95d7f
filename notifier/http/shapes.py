"""JSON Schemas of what the interface answers, and words for what it takes.

What comes in is described by the schemas that check it (``core/schemas.py``); this adds what those
cannot say. What goes out is described here, and the tests hold every answer against it.
"""

from __future__ import annotations

from typing import Any

Shape = dict[str, Any]


def ref(name: str) -> Shape:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(required: dict[str, Shape], optional: dict[str, Shape] | None = None) -> Shape:
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **(optional or {})},
    }


def _text(description: str, **more: Any) -> Shape:
    return {"type": "string", "description": description, **more}


_ENTRY_ID = _text("The place of an entry: its number and its audience.", examples=["17@user:42"])
_CURSOR = _text("How far a reader has got in each log.", examples=["everyone=5;user:42=17"])
_CURSOR_IN = {
    "type": ["string", "object"],
    "description": "A cursor, as the text that was given out or as a map of audience to number.",
    "examples": ["everyone=5;user:42=17"],
}
_CAPPED = {"type": "integer", "minimum": 0, "maximum": 100}
_UNREAD = {**_CAPPED, "description": "Unread notifications; counting stops at 100."}
_UNSEEN = {**_CAPPED, "description": "Unread ones that the user has not been shown yet."}
_UNTIL: Shape = {
    "type": ["string", "null"],
    "format": "date-time",
    "description": "When the first of the counted ones expires: count again soon after.",
}
_COUNTS: dict[str, Shape] = {"unread": _UNREAD, "unseen": _UNSEEN, "until": _UNTIL}
_PRIORITY = {"type": "string", "enum": ["low", "normal", "high", "critical"]}
_CLOCK = {"pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$", "examples": ["22:00"]}
_ENTRY_IDS = {
    "type": "array",
    "description": "Up to 500 entries.",
    "items": _ENTRY_ID,
    "minItems": 1,
    "maxItems": 500,
}

ANSWERS: dict[str, Shape] = {
    "Receipt": _object(
        {
            "id": _text("The notification; with it, it can be withdrawn.", format="uuid"),
            "entries": {
                "type": "array",
                "description": "The first 100 of the durable entries, one for each audience.",
                "maxItems": 100,
                "items": _object({"id": _ENTRY_ID}),
            },
        }
    ),
    "Accepted": _object(
        {"id": _text("The notification; with it, it can be cancelled.", format="uuid")},
        {
            "deliver_at": _text("When it will be delivered.", format="date-time"),
            "entries": {
                "type": "array",
                "description": "Empty: it was gathered, and will be shown with others as one card.",
                "maxItems": 0,
            },
        },
    ),
    "Results": _object(
        {
            "results": {
                "type": "array",
                "description": "What became of each notification, in order.",
                "items": _object(
                    {
                        "status": {
                            "type": "integer",
                            "description": "The status that it would have been answered with by "
                            "itself; with 201 and 202 stands what else would have been answered.",
                        }
                    },
                    {
                        "id": _text("The notification.", format="uuid"),
                        "error": _object(
                            {
                                "code": _text("Stable, for programs."),
                                "message": _text("What is the matter."),
                            },
                            {"errors": {"type": "object"}, "retry_after": {"type": "number"}},
                        ),
                    },
                ),
            }
        }
    ),
    "Entry": _object(
        {
            "id": _ENTRY_ID,
            "notification_id": _text(
                "The same for all entries of one notification.", format="uuid"
            ),
            "type": _text("A name in the type catalogue."),
            "priority": _PRIORITY,
            "title": _text("One line."),
            "created_at": _text("UTC, with milliseconds.", format="date-time"),
            "expires_at": _text("From then on it is gone.", format="date-time"),
        },
        {
            "body": _text("Some lines of plain text."),
            "sender": ref("Sender"),
            "icon": _text("The name of an icon that takes the place of the type's own."),
            "url": _text("Where a click leads: https, http or a path."),
            "data": {"type": "object", "description": "As it was published."},
            "actions": {"type": "array", "items": ref("Action"), "maxItems": 3},
            "collapse_key": _text("Notifications with the same key belong together."),
            "silent": {
                "type": "boolean",
                "description": "True: too many came at once, so it is in the bell menu only.",
            },
            "count": {"type": "integer", "description": "How many this one takes the place of."},
            "group": _text("The same for all cards that replace one another.", format="uuid"),
            "senders": {
                "type": "array",
                "description": "Of those, the newest first.",
                "items": ref("Sender"),
                "maxItems": 3,
            },
            "replaces": {
                "type": "array",
                "description": "Entries that are gone, as this one takes their place.",
                "items": _ENTRY_ID,
            },
            "digest": _object(
                {
                    "since": _text("Where the time that it sums up begins.", format="date-time"),
                    "titles": {
                        "type": "array",
                        "description": "Of what it sums up, the newest first.",
                        "items": {"type": "string"},
                        "maxItems": 5,
                    },
                }
            ),
        },
    ),
    "FeedEntry": {
        "allOf": [
            ref("Entry"),
            _object({"read": {"type": "boolean"}, "seen": {"type": "boolean"}}),
        ]
    },
    "Page": _object(
        {
            "items": {"type": "array", "description": "Newest first.", "items": ref("FeedEntry")},
            "next": {
                "type": ["string", "null"],
                "description": "Where the next page starts: its `before`. Null at the end.",
            },
            "cursor": _CURSOR,
            **_COUNTS,
        }
    ),
    "Missed": _object(
        {
            "items": {"type": "array", "description": "Oldest first.", "items": ref("Entry")},
            "removed": {
                "type": "array",
                "description": "Entries that were taken back.",
                "items": _ENTRY_ID,
            },
            "cursor": _CURSOR,
            "recovered": {
                "type": "boolean",
                "description": "False: too much was missed, or other logs are yours now; nothing "
                "is repeated here, read your feed anew.",
            },
            "preferences": ref("Preferences"),
            **_COUNTS,
        }
    ),
    "Events": _text("Events as in docs/protocol.md; the `id` of each is your cursor after it."),
    "Ticket": _object(
        {
            "ticket": _text("For the query of one request, as `ticket`."),
            "expires_in": {"type": "integer", "description": "Seconds until it is of no use."},
        }
    ),
    "Counts": _object(_COUNTS),
    "Preferences": _object(
        {
            "types": {
                "type": "object",
                "description": "Type to channel to whether it is on. What is absent is as usual.",
                "additionalProperties": {
                    "type": "object",
                    "additionalProperties": {"type": "boolean"},
                },
            },
            "minimum": {
                "type": "object",
                "description": "Channel to the lowest priority that is shown there.",
                "additionalProperties": _PRIORITY,
            },
            "muted_until": {
                "type": ["string", "null"],
                "format": "date-time",
                "description": "Until then, nothing but the bell menu changes.",
            },
            "quiet_hours": {
                "type": "array",
                "description": "When nothing but the bell menu changes.",
                "items": ref("QuietHours"),
                "maxItems": 10,
            },
            "time_zone": _text("Where the user's clock stands.", examples=["Europe/Berlin"]),
            "digests": {
                "type": "object",
                "description": "Type to how often its notifications are summed up.",
                "additionalProperties": {"type": "string", "enum": ["hourly", "daily"]},
            },
            "digest_at": _text("When daily digests come, on the user's clock.", examples=["08:00"]),
            "sound": {"type": "boolean"},
            "version": {"type": "integer", "description": "Grows by one with every change."},
        }
    ),
    "Types": _object({"types": {"type": "object", "additionalProperties": ref("Type")}}),
    "Type": _object(
        {
            "label": _text("What people call it."),
            "icon": _text("The name of an icon."),
            "color": _text("A colour of the client's palette."),
            "placement": {"type": "string", "enum": ["top", "bottom"]},
            "priority": _PRIORITY,
            "display": {
                "type": ["array", "null"],
                "description": "Where it appears; null: the priority of each entry decides.",
                "items": {"type": "string", "enum": ["bell", "toast", "modal", "browser", "push"]},
            },
            "mutable": {"type": "boolean", "description": "Whether users can switch it off."},
            "digest": {"type": "boolean", "description": "Whether users can have it summed up."},
        }
    ),
    "Explanation": _object(
        {
            "entry": _ENTRY_ID,
            "user": _text("Whom it is about."),
            "shown": {"type": "boolean", "description": "Whether it stands in the user's feed."},
            "rules": {
                "type": "array",
                "description": "All of them, in order.",
                "items": _object(
                    {
                        "rule": _text("Its name."),
                        "passed": {"type": "boolean", "description": "False: it hides the entry."},
                        "reason": _text("Why, for people."),
                        "at": {
                            "type": ["string", "null"],
                            "format": "date-time",
                            "description": "When that became so, or ends, where it is known.",
                        },
                    }
                ),
            },
            "channels": {
                "type": "object",
                "description": "Where it appeared when it came, by the preferences of now.",
                "additionalProperties": _object(
                    {"allowed": {"type": "boolean"}, "reason": _text("Why, for people.")}
                ),
            },
        }
    ),
    "Status": _object({"status": {"type": "string"}}),
    "Description": {"type": "object", "description": "An OpenAPI document."},
    "Text": {"type": "string"},
    "Problem": _object(
        {
            "type": _text("Where the code is explained.", format="uri-reference"),
            "title": _text("The code in words."),
            "status": {"type": "integer"},
            "detail": _text("What is the matter with this request."),
            "code": _text("Stable, for programs."),
            "instance": _text("The path that was called.", format="uri-reference"),
            "request_id": _text("Identifies the request in the server's log."),
        },
        {
            "errors": {
                "type": "object",
                "description": "What is wrong with each field.",
                "additionalProperties": {"type": "array", "items": {"type": "string"}},
            }
        },
    ),
}

_AUDIENCE = {
    "type": "string",
    "pattern": r"^(everyone|(user|role|topic):\S{1,128})$",
    "examples": ["user:42"],
}

REFINED: dict[str, dict[str, Shape]] = {
    "Notification": {
        "to": {
            "description": "Whom it is for: one audience or up to 10,000.",
            "examples": [["user:42", "role:admin"]],
            "oneOf": [
                _AUDIENCE,
                {"type": "array", "items": _AUDIENCE, "minItems": 1, "maxItems": 10_000},
            ],
        },
        "title": {"description": "One line of plain text."},
        "type": {"description": "A name in the type catalogue, which supplies what is left out."},
        "priority": {"description": "How it is displayed, unless its type says otherwise."},
        "body": {"description": "Some lines of plain text."},
        "icon": {
            "description": "The name of an icon.",
            "pattern": r"^[a-z][a-z0-9-]{0,31}$",
        },
        "url": {"description": "Where a click leads: https, http or a path."},
        "sender": {"description": "Who caused it."},
        "actions": {"description": "Up to three buttons."},
        "data": {"description": "An object of your own, up to 4 KiB, passed on as it is."},
        "ttl": {"description": "Seconds until it expires."},
        "deliver_at": {
            "description": "When to deliver it, with a time zone, at most 366 days ahead; a time "
            "that has passed is now."
        },
        "collapse_key": {"description": "Notifications with the same key belong together."},
        "except": {"description": "Users (`user:...`) who do not get it, for instance its sender."},
    },
    "Batch": {
        "notifications": {
            "description": "Up to 500, each checked by itself.",
            "items": ref("Batched"),
        },
    },
    "Sender": {
        "id": {"description": "A name without white space."},
        "name": {"description": "As people read it."},
        "avatar": {"description": "The address of a picture: https, http or a path."},
    },
    "Action": {
        "label": {"description": "The words on the button."},
        "url": {"description": "Where it leads: https, http or a path."},
    },
    "Change": {
        "ids": _ENTRY_IDS,
        "all": {"description": "Everything up to `cursor`, in place of `ids`."},
        "cursor": _CURSOR_IN,
    },
    "ChangeById": {"ids": _ENTRY_IDS},
    "Seen": {"cursor": _CURSOR_IN},
    "PreferencesChange": {
        "types": {
            "description": "Type to channel (`bell`, `toast`, `browser`, `push`) to on, off, or "
            "null to reset it. Without the bell a type is muted altogether."
        },
        "minimum": {
            "description": "Channel to the lowest priority shown there, or null. On the bell it "
            "decides what is shown and counted at all."
        },
        "muted_until": {"description": "Until then, only the bell menu changes."},
        "quiet_hours": {"description": "When only the bell menu changes; up to ten windows."},
        "time_zone": {
            "description": "Where your clock stands: quiet hours and digests go by it.",
            "examples": ["Europe/Berlin"],
        },
        "digests": {"description": "Type to `hourly`, `daily`, or null for one by one."},
        "digest_at": {**_CLOCK, "description": "When daily digests come."},
        "sound": {"description": "Whether toasts may be heard."},
    },
    "QuietHours": {
        "days": {"description": "On which days the window begins."},
        "from": {**_CLOCK, "description": "When it begins, on your clock."},
        "to": {
            **_CLOCK,
            "description": "When it ends: the next day, unless that is later than `from`.",
        },
    },
    "Revocation": {
        "roles": {
            "description": "Take only these roles from the tokens; without it, everything.",
            "examples": [["admin"]],
        },
    },
}

REFINED["Batched"] = REFINED["Notification"] | {
    "idempotency_key": {
        "description": "Its own, in place of that of the call: 1 to 255 visible characters."
    },
}

PARAMETERS: dict[str, Shape] = {
    "limit": {"description": "How many notifications at most."},
    "before": {"description": "The `next` of the page before.", "schema": {"type": "string"}},
    "unread": {"description": "Only unread ones."},
    "type": {"description": "Only those of one type."},
    "id": {"description": "The `id` that publishing answered."},
    "user": {"description": "The name of a user, as `sub` in tokens, percent-encoded."},
    "entry": {
        "description": "The place of an entry: its number and its audience.",
        "examples": {"one": {"value": "17@user:42"}},
    },
    "topic": {"description": "A topic's name, without `topic:`, percent-encoded."},
    "since": {
        "description": "The cursor where you stand; leave it out on a first visit.",
        "schema": {"type": "string"},
    },
    "ticket": {"description": "Instead of a token in the header; see `POST /v1/tickets`."},
    "wait": {"description": "Seconds to wait for something new."},
    "Last-Event-ID": {"description": "The `id` of the last event you got; goes before `since`."},
    "If-None-Match": {"description": "The `ETag` of the last answer: 304 if nothing is new."},
    "Idempotency-Key": {
        "description": "1 to 255 visible characters of your own. A repetition within 24 hours gets "
        "the first answer; with another body it is a conflict.",
    },
}
