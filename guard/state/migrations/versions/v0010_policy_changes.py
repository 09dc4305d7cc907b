"""Changes of policies that wait for a second person, and versions that every node is to take."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """All that waited were keys, and no version was ordered."""
    with op.batch_alter_table("releases") as releases:
        releases.alter_column("key_id", existing_type=sa.Text, nullable=True)
        releases.add_column(sa.Column("change", sa.Text))
    op.add_column("policy_versions", sa.Column("held", sa.Text, nullable=False, server_default="{}"))
    op.add_column("policy_versions", sa.Column("ordered", sa.Boolean, nullable=False, server_default=sa.false()))
