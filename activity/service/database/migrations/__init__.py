"""Migrations of the database, applied by Alembic when the service starts."""
