"""The migrations of the key database, run by Alembic from `sql_schema.py`."""
