"""The tables of the SQLite store and how a file of an earlier release becomes the present one."""

from __future__ import annotations

import sqlite3

from notifier.errors import ConfigurationError

_FIRST = (
    # Long columns last: what counting needs is then read without their overflow pages.
    """
    CREATE TABLE entries (
        audience TEXT NOT NULL,
        seq INTEGER NOT NULL,
        kind TEXT NOT NULL,
        notification_id TEXT NOT NULL,
        type TEXT NOT NULL,
        publisher TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        purge_at INTEGER NOT NULL,
        copies INTEGER NOT NULL,
        excluded_users TEXT NOT NULL,
        content BLOB NOT NULL,
        UNIQUE (audience, seq),
        UNIQUE (notification_id, audience, kind)
    )
    """,
    "CREATE INDEX entries_to_purge ON entries (purge_at)",
    """
    CREATE TABLE idempotency_keys (
        publisher TEXT NOT NULL,
        key TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        notification_id TEXT NOT NULL,
        purge_at INTEGER NOT NULL,
        PRIMARY KEY (publisher, key)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX idempotency_keys_to_purge ON idempotency_keys (purge_at)",
    """
    CREATE TABLE subscribers (
        user TEXT PRIMARY KEY,
        preferences TEXT NOT NULL,
        version INTEGER NOT NULL
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE topics (
        user TEXT NOT NULL,
        topic TEXT NOT NULL,
        PRIMARY KEY (user, topic)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE watermarks (
        user TEXT NOT NULL,
        audience TEXT NOT NULL,
        seen INTEGER NOT NULL DEFAULT 0,
        read INTEGER NOT NULL DEFAULT 0,
        dismissed INTEGER NOT NULL DEFAULT 0,
        floor INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (user, audience)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE marks (
        user TEXT NOT NULL,
        audience TEXT NOT NULL,
        seq INTEGER NOT NULL,
        read INTEGER,
        dismissed INTEGER NOT NULL,
        purge_at INTEGER NOT NULL,
        PRIMARY KEY (user, audience, seq)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX marks_to_purge ON marks (purge_at)",
    """
    CREATE TABLE service_keys (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        digest TEXT NOT NULL,
        scopes TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        revoked_at INTEGER
    ) WITHOUT ROWID
    """,
    "CREATE TABLE pulse (at INTEGER NOT NULL)",
    "INSERT INTO pulse VALUES (0)",
)

_TICKETS_AND_REVOCATIONS = (
    """
    CREATE TABLE tickets (
        digest TEXT PRIMARY KEY,
        principal TEXT NOT NULL,
        purge_at INTEGER NOT NULL
    ) WITHOUT ROWID
    """,
    "CREATE INDEX tickets_to_purge ON tickets (purge_at)",
    """
    CREATE TABLE revocations (
        user TEXT NOT NULL,
        role TEXT NOT NULL,
        issued_until INTEGER NOT NULL,
        PRIMARY KEY (user, role)
    ) WITHOUT ROWID
    """,
)

_PRIORITY_AND_SILENCE = (
    "ALTER TABLE entries RENAME TO former_entries",
    # As in the first step, with the new columns in front of the long ones.
    """
    CREATE TABLE entries (
        audience TEXT NOT NULL,
        seq INTEGER NOT NULL,
        kind TEXT NOT NULL,
        notification_id TEXT NOT NULL,
        type TEXT NOT NULL,
        priority TEXT NOT NULL,
        publisher TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        purge_at INTEGER NOT NULL,
        copies INTEGER NOT NULL,
        silent INTEGER NOT NULL,
        excluded_users TEXT NOT NULL,
        content BLOB NOT NULL,
        UNIQUE (audience, seq),
        UNIQUE (notification_id, audience, kind)
    )
    """,
    # The content is the JSON text of an object without its opening brace.
    """
    INSERT INTO entries
    SELECT audience, seq, kind, notification_id, type,
           coalesce(json_extract('{' || CAST(content AS TEXT), '$.priority'), 'normal'),
           publisher, created_at, expires_at, purge_at, copies, 0, excluded_users, content
    FROM former_entries
    """,
    "DROP TABLE former_entries",
    "CREATE INDEX entries_to_purge ON entries (purge_at)",
)

_SUBSCRIBERS_BEFORE_THEIR_VISIT = (
    "ALTER TABLE subscribers ADD COLUMN roles TEXT NOT NULL DEFAULT '[]'",
    "ALTER TABLE subscribers ADD COLUMN visited INTEGER NOT NULL DEFAULT 1",
)

_JOBS = (
    """
    CREATE TABLE jobs (
        id TEXT PRIMARY KEY,
        due_at INTEGER NOT NULL,
        version INTEGER NOT NULL,
        touches INTEGER NOT NULL,
        data TEXT NOT NULL
    ) WITHOUT ROWID
    """,
    "CREATE INDEX jobs_due ON jobs (due_at)",
    """
    CREATE TABLE rations (
        place TEXT PRIMARY KEY,
        askers TEXT NOT NULL,
        purge_at INTEGER NOT NULL
    ) WITHOUT ROWID
    """,
    "CREATE INDEX rations_to_purge ON rations (purge_at)",
)

_STEPS = (
    _FIRST,
    _TICKETS_AND_REVOCATIONS,
    _PRIORITY_AND_SILENCE,
    _SUBSCRIBERS_BEFORE_THEIR_VISIT,
    _JOBS,
)
"""What leads from each version to the next. A released step is never changed: add another."""


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the file to the present version, inside the caller's transaction."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(_STEPS):
        raise ConfigurationError(["The SQLite file was written by a later release of Notifier."])
    for step in _STEPS[version:]:
        for statement in step:
            connection.execute(statement)
    # A pragma takes no parameters; what is put in here is a number of ours.
    connection.execute(f"PRAGMA user_version = {len(_STEPS)}")
