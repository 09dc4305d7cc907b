"""Where in the history of policies a release was settled: what came before that is not what was confirmed."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Of what was settled before nobody knows: whatever it allowed and was in force once counts as made."""
    op.add_column("releases", sa.Column("settled_version", sa.BigInteger, nullable=False, server_default="0"))
