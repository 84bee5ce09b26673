"""The tables of the embedded store as plain SQL, with the steps from each version to the next.

Two files, because they live differently. What is in the sessions file costs a sign-in when it is lost.
The ledger cannot be made again: it is written through to the disk, checked whole at the start, and backed up.
A step is never changed once it is released; a new one is added.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """One file.

    Attributes:
        name: Of the file, without the ending; also in error texts.
        application_id: Tells our files from others' (SQLite file format, section 1.3.17).
        synchronous: `FULL` survives a power cut with the last commit, `NORMAL` only with the one before.
        cure: What the administrator does when the file is unreadable. A sentence.
        steps: Each a tuple of statements. The version of a file is the number of steps that were done.
    """

    name: str
    application_id: int
    synchronous: Literal["FULL", "NORMAL"]
    cure: str
    steps: tuple[tuple[str, ...], ...]


SESSIONS = Schema(
    name="sessions",
    application_id=0x4C596753,
    synchronous="NORMAL",
    cure="Move it away together with its -wal and -shm files: everybody signs in again, nothing else is lost.",
    steps=(
        (
            """
            CREATE TABLE sessions (
                key TEXT NOT NULL PRIMARY KEY,
                application TEXT NOT NULL,
                person BLOB NOT NULL,
                sid BLOB,
                created INTEGER NOT NULL,
                ends INTEGER NOT NULL,
                seen INTEGER NOT NULL,
                version INTEGER NOT NULL,
                record BLOB NOT NULL
            )
            """,
            "CREATE INDEX sessions_person ON sessions (application, person, created)",
            "CREATE INDEX sessions_sid ON sessions (sid, created) WHERE sid IS NOT NULL",
            "CREATE INDEX sessions_ends ON sessions (ends)",
            "CREATE INDEX sessions_seen ON sessions (seen)",
            "CREATE TABLE spent (state BLOB NOT NULL PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID",
            "CREATE INDEX spent_until ON spent (until)",
            """
            CREATE TABLE markers (
                subject BLOB NOT NULL PRIMARY KEY,
                at INTEGER NOT NULL,
                until INTEGER NOT NULL
            ) WITHOUT ROWID
            """,
            "CREATE INDEX markers_until ON markers (until)",
        ),
        (
            # By which providers name people when they end sessions. Sessions from before have neither, and are found by
            # their person.
            "ALTER TABLE sessions ADD COLUMN subject BLOB",
            "ALTER TABLE sessions ADD COLUMN email BLOB",
            "CREATE INDEX sessions_subject ON sessions (subject, created) WHERE subject IS NOT NULL",
            "CREATE INDEX sessions_email ON sessions (email, created) WHERE email IS NOT NULL",
            "CREATE INDEX sessions_unnamed ON sessions (person) WHERE subject IS NULL",
        ),
        (
            # What lately became of people, for `lychgate why`: sealed, found by hashes.
            """
            CREATE TABLE history (
                number INTEGER PRIMARY KEY AUTOINCREMENT,
                person BLOB,
                account BLOB,
                at INTEGER NOT NULL,
                record BLOB NOT NULL
            )
            """,
            "CREATE INDEX history_person ON history (person, number) WHERE person IS NOT NULL",
            "CREATE INDEX history_account ON history (account, number) WHERE account IS NOT NULL",
            "CREATE INDEX history_at ON history (at)",
        ),
    ),
)

LEDGER = Schema(
    name="ledger",
    application_id=0x4C59674C,
    synchronous="FULL",
    cure=(
        "Restore it from the backup. Without a backup, move it away together with its -wal and -shm files and declare "
        "the new ledger to be the right one: then Lychgate no longer knows which groups it gave and whom it pinned."
    ),
    steps=(
        (
            """
            CREATE TABLE meta (
                application TEXT NOT NULL PRIMARY KEY,
                initialised_at INTEGER NOT NULL
            ) WITHOUT ROWID
            """,
            # The reference keeps a ledger that nobody declared from taking pins, whatever the caller forgot to ask.
            """
            CREATE TABLE pins (
                application TEXT NOT NULL REFERENCES meta (application),
                username TEXT NOT NULL,
                spelling TEXT NOT NULL,
                issuer TEXT NOT NULL,
                subject TEXT NOT NULL,
                created INTEGER NOT NULL,
                at INTEGER NOT NULL,
                UNIQUE (application, username),
                UNIQUE (application, issuer, subject)
            )
            """,
            """
            CREATE TABLE owned_groups (
                application TEXT NOT NULL,
                username TEXT NOT NULL,
                group_name TEXT NOT NULL,
                portal TEXT NOT NULL,
                at INTEGER NOT NULL,
                pending INTEGER NOT NULL,
                PRIMARY KEY (application, username, group_name, portal)
            ) WITHOUT ROWID
            """,
            """
            CREATE TABLE deactivations (
                application TEXT NOT NULL,
                username TEXT NOT NULL,
                cause TEXT NOT NULL,
                at INTEGER NOT NULL,
                PRIMARY KEY (application, username)
            ) WITHOUT ROWID
            """,
            """
            CREATE TABLE last_seen (
                application TEXT NOT NULL,
                username TEXT NOT NULL,
                at INTEGER NOT NULL,
                PRIMARY KEY (application, username)
            ) WITHOUT ROWID
            """,
        ),
        (
            # Pins from before have no key; they learn it when their account is looked at next.
            "ALTER TABLE pins ADD COLUMN account_key TEXT",
            "CREATE UNIQUE INDEX pins_key ON pins (application, account_key) WHERE account_key IS NOT NULL",
        ),
        (
            # Memberships that came with a new account; those from before came by lines.
            "ALTER TABLE owned_groups ADD COLUMN once INTEGER NOT NULL DEFAULT 0",
            # When the provider last told somebody's groups completely, or when it was first noticed that it does not.
            """
            CREATE TABLE readings (
                application TEXT NOT NULL,
                issuer TEXT NOT NULL,
                subject TEXT NOT NULL,
                at INTEGER NOT NULL,
                PRIMARY KEY (application, issuer, subject)
            ) WITHOUT ROWID
            """,
            # What was taken within the last hour, as JSON: [[at, count], …].
            """
            CREATE TABLE breakers (
                application TEXT NOT NULL PRIMARY KEY,
                taken TEXT NOT NULL,
                frozen INTEGER,
                held INTEGER
            ) WITHOUT ROWID
            """,
        ),
        (
            # How accounts were when they were last found ready; `ordered` and `needed` are JSON.
            """
            CREATE TABLE readiness (
                application TEXT NOT NULL,
                username TEXT NOT NULL,
                portal TEXT NOT NULL,
                spelling TEXT NOT NULL,
                ordered TEXT NOT NULL,
                needed TEXT NOT NULL,
                at INTEGER NOT NULL,
                PRIMARY KEY (application, username, portal)
            ) WITHOUT ROWID
            """,
        ),
        (
            # What was done, and what was before it; entries that are too old are deleted.
            """
            CREATE TABLE journal (
                number INTEGER PRIMARY KEY AUTOINCREMENT,
                application TEXT NOT NULL,
                username TEXT NOT NULL,
                deed TEXT NOT NULL,
                at INTEGER NOT NULL,
                group_name TEXT NOT NULL,
                before TEXT NOT NULL,
                after TEXT NOT NULL,
                pending INTEGER NOT NULL,
                undone INTEGER
            )
            """,
            "CREATE INDEX journal_at ON journal (application, at)",
        ),
        (
            # The directories that products take from us; `record` is JSON.
            """
            CREATE TABLE directory_users (
                application TEXT NOT NULL,
                username TEXT NOT NULL,
                record TEXT NOT NULL,
                made INTEGER NOT NULL,
                changed INTEGER NOT NULL,
                PRIMARY KEY (application, username)
            ) WITHOUT ROWID
            """,
            """
            CREATE TABLE directory_groups (
                application TEXT NOT NULL,
                folded TEXT NOT NULL,
                name TEXT NOT NULL,
                made INTEGER NOT NULL,
                PRIMARY KEY (application, folded)
            ) WITHOUT ROWID
            """,
        ),
        (
            # What is refused until somebody takes it back.
            """
            CREATE TABLE bans (
                number INTEGER PRIMARY KEY AUTOINCREMENT,
                kind TEXT NOT NULL,
                application TEXT NOT NULL,
                issuer TEXT NOT NULL,
                value TEXT NOT NULL,
                at INTEGER NOT NULL,
                reason TEXT NOT NULL,
                uid INTEGER NOT NULL,
                UNIQUE (kind, application, issuer, value)
            )
            """,
        ),
    ),
)
