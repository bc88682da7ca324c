"""`python -m activity` is the `activity` command."""

from activity.cli import main

main()
