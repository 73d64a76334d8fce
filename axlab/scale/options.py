"""The options of `axlab sweep` and `axlab runs`: read before anything of AxLab is imported."""

from __future__ import annotations

import argparse

LIMIT = "10s"  # of virtual time, for a guest that would never end
LEVELS = ("off", "events", "blocks", "instructions")


def declare_sweep(parser: argparse.ArgumentParser) -> None:
    """The options of `axlab sweep`."""
    parser.add_argument("targets", nargs="*", metavar="CONFIG|IMAGE|demo", help="the guests of every run")
    parser.add_argument(
        "--param", action="append", default=[], metavar="NAME=VALUE,VALUE", help="a parameter and its values"
    )
    parser.add_argument("--seeds", type=int, metavar="N", help="every run with the seeds 0 to N-1")
    parser.add_argument("-o", dest="output", required=True, metavar="DIR", help="the folder of the runs")
    parser.add_argument("--for", dest="limit", default=LIMIT, metavar="DURATION", help="virtual time (default 10s)")
    parser.add_argument("--trace-level", choices=LEVELS, default="events", help="what is recorded of every run")
    parser.add_argument("--workers", type=int, metavar="N", help="worker processes (default: one for each CPU)")
    parser.add_argument("--dask", metavar="ADDRESS", help="let a Dask cluster make the runs: tcp://host:8786")
    parser.add_argument("--retry-failed", action="store_true", help="make the runs again that ended with an error")
    parser.add_argument("--from-snapshot", metavar="FILE", help="every run begins from this snapshot")


def declare_runs(parser: argparse.ArgumentParser) -> None:
    """The options of `axlab runs`."""
    parser.add_argument("folder", metavar="DIR", help="the folder of a sweep")
    query = 'a SELECT, such as "select scheduler, avg(latency_ns) from runs group by scheduler"'
    parser.add_argument("--sql", metavar="QUERY", help=query)
    parser.add_argument("--csv", action="store_true", help="comma-separated values instead of a table")
