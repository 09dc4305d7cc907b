"""The head says which key-encryption key seals."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Nobody yet: the oldest of the file."""
    op.add_column("head", sa.Column("sealing_id", sa.Text))
