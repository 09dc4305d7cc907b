"""What became of a change of policies that was confirmed, in its own row, and whole fingerprints of versions."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """What was confirmed before counts no more, and a version without a fingerprint is like no other."""
    with op.batch_alter_table("releases") as releases:
        releases.drop_column("settled_version")
        releases.add_column(sa.Column("made", sa.Text, nullable=False, server_default=""))
    op.execute("update releases set made = 'over' where state = 'confirmed' and change is not null")
    op.add_column("policy_versions", sa.Column("fingerprint", sa.Text, nullable=False, server_default=""))
