"""The tables in PostgreSQL as plain SQL, with the steps from each version to the next.

The same tables as `sidecar.adapters.state.schema`, in one schema `lychgate` of one database. A step is never changed
once it is released; a new one is added. Text is compared byte by byte, whatever the database's own order is.
"""

from __future__ import annotations

from sidecar.adapters.state.postgres.database import Connection, Database
from sidecar.flows.sessions import StateError

_MIGRATION = 0x4C596774
"""Number of the lock under which the schema is brought to our version, by one instance at a time."""

STEPS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE sessions (
            key text COLLATE "C" PRIMARY KEY,
            application text COLLATE "C" NOT NULL,
            person bytea NOT NULL,
            sid bytea,
            subject bytea,
            email bytea,
            created bigint NOT NULL,
            number bigint GENERATED ALWAYS AS IDENTITY,
            ends bigint NOT NULL,
            seen bigint NOT NULL,
            version bigint NOT NULL,
            record bytea NOT NULL
        )
        """,
        "CREATE INDEX sessions_person ON sessions (application, person, created)",
        "CREATE INDEX sessions_sid ON sessions (sid, created) WHERE sid IS NOT NULL",
        "CREATE INDEX sessions_subject ON sessions (subject, created) WHERE subject IS NOT NULL",
        "CREATE INDEX sessions_email ON sessions (email, created) WHERE email IS NOT NULL",
        "CREATE INDEX sessions_ends ON sessions (ends)",
        "CREATE INDEX sessions_seen ON sessions (seen)",
        "CREATE TABLE spent (state bytea PRIMARY KEY, until bigint NOT NULL)",
        "CREATE INDEX spent_until ON spent (until)",
        "CREATE TABLE markers (subject bytea PRIMARY KEY, at bigint NOT NULL, until bigint NOT NULL)",
        "CREATE INDEX markers_until ON markers (until)",
        'CREATE TABLE leases (name text COLLATE "C" PRIMARY KEY, holder text NOT NULL, until timestamptz NOT NULL)',
        'CREATE TABLE meta (application text COLLATE "C" PRIMARY KEY, initialised_at bigint NOT NULL)',
        """
        CREATE TABLE pins (
            application text COLLATE "C" NOT NULL REFERENCES meta (application),
            username text COLLATE "C" NOT NULL,
            spelling text COLLATE "C" NOT NULL,
            issuer text COLLATE "C" NOT NULL,
            subject text COLLATE "C" NOT NULL,
            created boolean NOT NULL,
            at bigint NOT NULL,
            account_key text COLLATE "C",
            UNIQUE (application, username),
            UNIQUE (application, issuer, subject)
        )
        """,
        "CREATE UNIQUE INDEX pins_key ON pins (application, account_key) WHERE account_key IS NOT NULL",
        """
        CREATE TABLE owned_groups (
            application text COLLATE "C" NOT NULL,
            username text COLLATE "C" NOT NULL,
            group_name text COLLATE "C" NOT NULL,
            portal text COLLATE "C" NOT NULL,
            at bigint NOT NULL,
            pending boolean NOT NULL,
            once boolean NOT NULL,
            PRIMARY KEY (application, username, group_name, portal)
        )
        """,
        """
        CREATE TABLE deactivations (
            application text COLLATE "C" NOT NULL,
            username text COLLATE "C" NOT NULL,
            cause text NOT NULL,
            at bigint NOT NULL,
            PRIMARY KEY (application, username)
        )
        """,
        """
        CREATE TABLE last_seen (
            application text COLLATE "C" NOT NULL,
            username text COLLATE "C" NOT NULL,
            at bigint NOT NULL,
            PRIMARY KEY (application, username)
        )
        """,
        """
        CREATE TABLE readings (
            application text COLLATE "C" NOT NULL,
            issuer text COLLATE "C" NOT NULL,
            subject text COLLATE "C" NOT NULL,
            at bigint NOT NULL,
            PRIMARY KEY (application, issuer, subject)
        )
        """,
        """
        CREATE TABLE breakers (
            application text COLLATE "C" PRIMARY KEY,
            taken text NOT NULL,
            frozen bigint,
            held bigint
        )
        """,
        """
        CREATE TABLE readiness (
            application text COLLATE "C" NOT NULL,
            username text COLLATE "C" NOT NULL,
            portal text COLLATE "C" NOT NULL,
            spelling text NOT NULL,
            ordered text NOT NULL,
            needed text NOT NULL,
            at bigint NOT NULL,
            PRIMARY KEY (application, username, portal)
        )
        """,
        """
        CREATE TABLE journal (
            number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            application text COLLATE "C" NOT NULL,
            username text COLLATE "C" NOT NULL,
            deed text NOT NULL,
            at bigint NOT NULL,
            group_name text COLLATE "C" NOT NULL,
            before text NOT NULL,
            after text NOT NULL,
            pending boolean NOT NULL,
            undone bigint
        )
        """,
        "CREATE INDEX journal_at ON journal (application, at)",
    ),
    (
        """
        CREATE TABLE pulse (
            one boolean PRIMARY KEY DEFAULT true CHECK (one),
            number bigint NOT NULL,
            at timestamptz NOT NULL
        )
        """,
        # Sessions from before there was a pulse: nobody knows how old they are, so nobody attended to them.
        """
        INSERT INTO pulse (number, at)
        SELECT 0, CASE WHEN EXISTS (SELECT FROM sessions) THEN timestamptz '2000-01-01' ELSE clock_timestamp() END
        """,
    ),
    (
        # What lately became of people, for `lychgate why`: sealed, found by hashes.
        """
        CREATE TABLE history (
            number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            person bytea,
            account bytea,
            at bigint NOT NULL,
            record bytea NOT NULL
        )
        """,
        "CREATE INDEX history_person ON history (person, number) WHERE person IS NOT NULL",
        "CREATE INDEX history_account ON history (account, number) WHERE account IS NOT NULL",
        "CREATE INDEX history_at ON history (at)",
        # What is refused until somebody takes it back.
        """
        CREATE TABLE bans (
            number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            kind text COLLATE "C" NOT NULL,
            application text COLLATE "C" NOT NULL,
            issuer text COLLATE "C" NOT NULL,
            value text COLLATE "C" NOT NULL,
            at bigint NOT NULL,
            reason text NOT NULL,
            uid bigint NOT NULL,
            UNIQUE (kind, application, issuer, value)
        )
        """,
    ),
    (
        # The directories that products take from us; `record` is JSON.
        """
        CREATE TABLE directory_users (
            application text COLLATE "C" NOT NULL,
            username text COLLATE "C" NOT NULL,
            record text NOT NULL,
            made bigint NOT NULL,
            changed bigint NOT NULL,
            PRIMARY KEY (application, username)
        )
        """,
        "CREATE UNIQUE INDEX directory_changed ON directory_users (application, changed)",
        """
        CREATE TABLE directory_groups (
            application text COLLATE "C" NOT NULL,
            folded text COLLATE "C" NOT NULL,
            name text COLLATE "C" NOT NULL,
            made bigint NOT NULL,
            PRIMARY KEY (application, folded)
        )
        """,
    ),
)


async def migrate(database: Database) -> None:
    """Bring the schema to our version, in one transaction.

    Raises:
        StateError: it was written by a newer Lychgate, or may not be made. Says what to do.
    """

    async def work(connection: Connection) -> None:
        _ = await connection.execute("SELECT pg_advisory_xact_lock($1)", _MIGRATION)
        if await connection.fetchval("SELECT to_regnamespace('lychgate')") is None:
            _ = await connection.execute("CREATE SCHEMA lychgate")
        version = await _version(connection)
        _check(version)
        for step in STEPS[version:]:
            for statement in step:
                _ = await connection.execute(statement)
        if version < len(STEPS):
            _ = await connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version bigint NOT NULL)")
            _ = await connection.execute("DELETE FROM schema_version")
            _ = await connection.execute("INSERT INTO schema_version VALUES ($1)", len(STEPS))

    await database.do(work)


async def must_be_current(database: Database) -> bool:
    """For those who only read: whether there is a schema of our version; False where there is none yet.

    Raises:
        StateError: it is another version's.
    """
    version = await database.do(_version)
    if 0 < version < len(STEPS):
        raise StateError("the database is an older Lychgate's: start this one once, it brings the tables up to date")
    _check(version)
    return version > 0


async def _version(connection: Connection) -> int:
    if await connection.fetchval("SELECT to_regclass('lychgate.schema_version')") is None:
        return 0
    return int(await connection.fetchval("SELECT version FROM schema_version") or 0)


def _check(version: int) -> None:
    if version > len(STEPS):
        raise StateError(
            f"the database was written by a newer Lychgate (version {version}, this one knows {len(STEPS)}): start the "
            "newer one, or put back the backup from before the upgrade"
        )
