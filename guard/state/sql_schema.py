"""The tables of the key database, as SQLAlchemy Core sees them, and bringing a database to them.

The tables are made and changed by `migrations/` alone; what stands here must say the same, and a test compares them.
"""

from pathlib import Path

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    false,
    inspect,
    select,
    text,
)

SCHEMA_VERSION = "0013"
"""The newest migration. Versions are digits of equal length, so that they can be compared."""

METADATA = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

KEYS = Table(
    "keys",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("account", Text, nullable=False, index=True),
    Column("algorithm", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("tier", Text),
    Column("networks", Text, nullable=False),
    Column("bounds", Text),
    Column("lineage", Text, nullable=False),
    Column("rotated_from", Text, ForeignKey("keys.id")),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("dies_at", BigInteger),
    Column("last_used_at", BigInteger),
    Column("label", Text, nullable=False),
    Column("revision", BigInteger, nullable=False, index=True),
    Column("sealed_material", LargeBinary),
)

AUDIT_RECORDS = Table(
    "audit_records",
    METADATA,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("revision", BigInteger),
    Column("subject_kind", Text, nullable=False),
    Column("subject_id", Text, nullable=False, index=True),
    Column("document", LargeBinary, nullable=False),
    Column("hash", Text, nullable=False),
)

AUDIT_CHECKPOINTS = Table(
    "audit_checkpoints",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("count", BigInteger, nullable=False, index=True),
    Column("key_id", Text, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Column("signature", LargeBinary, nullable=False),
)

ADMIN_TOKENS = Table(
    "admin_tokens",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, index=True),
    Column("role", Text, nullable=False),
    Column("digest", Text, nullable=False, unique=True),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("last_used_at", BigInteger),
)

RELEASES = Table(
    "releases",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("command", Text, nullable=False),
    Column("key_id", Text, ForeignKey("keys.id"), index=True),
    Column("overlap_ms", BigInteger),
    Column("requested_by", Text, nullable=False),
    Column("requested_at", BigInteger, nullable=False),
    Column("why", Text, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("settled_by", Text),
    Column("settled_at", BigInteger),
    Column("change", Text),
    Column("made", Text, nullable=False, server_default=""),
)

DUAL_CONTROL = Table("dual_control", METADATA, Column("scope", Text, primary_key=True))

HEAD = Table(
    "head",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("revision", BigInteger, nullable=False),
    Column("audit_records", BigInteger, nullable=False, server_default="0"),
    Column("audit_hash", Text, nullable=False, server_default="0" * 64),
    Column("sealing_id", Text),
)

NODES = Table(
    "nodes",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("listen", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("version", Text, nullable=False),
    Column("lease_ms", Integer, nullable=False),
    Column("alone", Boolean, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("clock_offset_ms", BigInteger),
)

BANS = Table(
    "bans",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("revision", BigInteger, nullable=False, index=True),
    Column("document", Text, nullable=False),
)

HALTS = Table(
    "halts",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("revision", BigInteger, nullable=False, index=True),
    Column("document", Text, nullable=False),
)

OVERRIDES = Table(
    "overrides",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("revision", BigInteger, nullable=False, index=True),
    Column("document", Text, nullable=False),
)

POLICY_VERSIONS = Table(
    "policy_versions",
    METADATA,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("digest", Text, nullable=False),
    Column("fingerprint", Text, nullable=False, server_default=""),
    Column("at", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("files", LargeBinary, nullable=False),
    Column("held", Text, nullable=False, server_default="{}"),
    Column("ordered", Boolean, nullable=False, server_default=false()),
)


def bring_up_to_date(connection: Connection) -> None:
    """Make or migrate the tables, in the caller's transaction, if they are not what they should be already."""
    if schema_version(connection) == SCHEMA_VERSION:
        return
    from alembic import command  # noqa: PLC0415  # slow to import, and needed only when there is something to migrate
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def schema_version(connection: Connection) -> str | None:
    """The last migration that this database has seen; None for a database without tables."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(select(text("version_num")).select_from(text("alembic_version")))
    return found
