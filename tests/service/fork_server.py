"""One server that forks the processes which tests kill.

Python has one a process: the first test to want it starts it, and what it has loaded by then is what the children of all
tests find loaded. So it loads the same for all, whichever comes first.
"""

from __future__ import annotations

import multiprocessing
from multiprocessing.context import ForkServerContext

PRELOADED = ["tests.service.deliveries.delivery_process", "tests.service.jobs.pool"]


def context() -> ForkServerContext:
    """Makes processes that start at once; their environment is that of the test that came first."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(PRELOADED)
    return made
