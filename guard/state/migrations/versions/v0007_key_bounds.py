"""What a key is kept to within its scopes."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Nobody is kept to anything yet."""
    op.add_column("keys", sa.Column("bounds", sa.Text))
