"""What every benchmark shares: many short timings in one run, and a file with their spread."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

RESULTS = Path(__file__).parent / "results"


def machine() -> dict:
    """The machine in words that let a reader compare: processor, cores, threads, versions."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        found = [
            line.partition(":")[2].strip()
            for line in info.read_text().splitlines()
            if line.startswith("model name")
        ]
        name = found[0] if found else name
    return {
        "processor": name,
        "cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def times(call: Callable[[], object], count: int) -> list[float]:
    """Milliseconds of `count` calls, one after the other."""
    found = []
    for _ in range(count):
        start = time.perf_counter()
        call()
        found.append(1000 * (time.perf_counter() - start))
    return found


def summary(values: list[float]) -> dict:
    """Median, 5th and 95th percentile and the largest of some milliseconds."""
    ordered = sorted(values)
    last = len(ordered) - 1
    return {
        "median": round(statistics.median(ordered), 3),
        "p5": round(ordered[round(0.05 * last)], 3),
        "p95": round(ordered[round(0.95 * last)], 3),
        "worst": round(ordered[-1], 3),
        "count": len(ordered),
    }


def ratio(over: dict, under: dict) -> list[float]:
    """Of two summaries: the ratio of their medians, and that ratio at worst and at best."""
    return [
        round(over["median"] / under["median"], 1),
        round(over["p5"] / under["p95"], 1),
        round(over["p95"] / under["p5"], 1),
    ]


def store(name: str, figures: dict) -> Path:
    """Write benchmarks/results/<name>.json: the figures and the machine they were taken on."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(
        json.dumps({"machine": machine(), **figures}, indent=1) + "\n", encoding="utf-8"
    )
    return path
