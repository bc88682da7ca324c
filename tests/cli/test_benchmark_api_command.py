"""`activity benchmark api` from four real servers to figures, for a very short time."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter

import pytest

from activity.service.benchmark import _Tally


@pytest.mark.slow
def test_api_prints_both_networks_on_both_servers_and_what_bounds_them() -> None:
    command = [sys.executable, "-m", "activity", "benchmark", "api"]
    options = ["--seconds", "1", "--connections", "8", "--rounds", "1", "--json"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=True, timeout=300)  # noqa: S603
    figures = json.loads(done.stdout)
    shipped, bpt_v2 = figures["networks"]
    assert (shipped["network"], bpt_v2["network"]) == ("as shipped", "BPT-V2")
    assert bpt_v2["parameters"] == 4_922_733  # the paper's
    for name in ("batched", "one_at_a_time", "ratio", "cpu_ratio"):
        assert figures[name] == shipped[name]
    for network in (shipped, bpt_v2):
        assert network["one_at_a_time"]["mean_batch"] == 1
        assert network["one_at_a_time"]["batches_up_to"].keys() == {"1"}
        assert network["batched"]["mean_batch"] > 1
        assert network["batched"]["requests"] > 0
        assert network["network_alone"]["alone_ms"] > network["network_alone"]["in_batch_ms"] > 0
    assert figures["machine"]["threads"] == 1
    assert {"fastapi", "uvicorn", "onnxruntime"} <= figures["machine"]["versions"].keys()


def test_batches_are_counted_by_their_size_from_cumulative_buckets() -> None:
    tally = _Tally(latencies_s=[0.1, 0.2, 0.3], wall_s=2.0, cpu_s=0.5)
    tally.batches = Counter({"1": 2, "2": 2, "4": 5, "64": 6, "more": 6, "count": 6, "sum": 24})
    result = tally.result(64)
    assert result.batches_up_to == {"1": 2, "4": 3, "64": 1}
    assert (result.mean_batch, result.requests_per_s, result.requests_per_cpu_s) == (4.0, 1.5, 6.0)
    assert result.latency_ms_p50 == 200
