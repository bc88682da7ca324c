"""What the service remembers: tables, the engine that opens them, and functions that read and write them."""

from activity.service.database.engine import Database
from activity.service.database.tables import *  # noqa: F403 - `tables` says what
from activity.service.database.tables import __all__ as _tables

__all__ = ["Database", *_tables]  # noqa: PLE0604 - a list of names
