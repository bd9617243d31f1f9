"""Measure this product beside plain loops over the same notebooks and dates: `make bench`.

Runs, in turns, a papermill loop, two such loops side by side, this product warm and cold through its
real service, and stock dagstermill ops. Rounds in which the machine was busy with something else are
repeated. Writes `docs/benchmarks/latest.md` and `latest.json`. All sections take about an hour.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from benchmark.loops import Timing, run_loops
from benchmark.machine import CORES, description, wait_until_quiet
from benchmark.product import SENSOR_INTERVAL, UNTIMED, Product, median_overhead
from benchmark.stock import time_stock
from benchmark.workloads import FIRST_DAY, Workload, empty, example, loop_plan

from autoflow_dagster.demo.server import DemoFlowapi

SECTIONS = ("example", "empty", "cold", "independent", "idle", "memory", "stock", "growth")
RESULTS = Path(__file__).parents[1] / "docs" / "benchmarks"
PATIENCE_SECONDS = 60

OF_RUNS = ("runs", "kernels", "fork server for Dagster", "fork server for kernels")
"""What two loops have, too, in one form or another; the rest is there whether anything runs or not."""


@dataclass
class Bench:
    """One measuring of everything.

    Attributes
    ----------
    rounds : dict of str to list of Timing
        What was measured, by contestant; in turns, so that rounds of the same index are neighbours.
    """

    directory: Path
    dates: int
    pairs: int
    retries: int = 2
    rounds: dict[str, list[Timing]] = field(default_factory=dict)
    disturbed: int = 0
    numbers: dict[str, float] = field(default_factory=dict)
    _count: int = 0

    def new_directory(self, name: str) -> Path:
        """Return the path of a directory that is not there yet."""
        self._count += 1
        return self.directory / f"{self._count:03d}-{name}"

    def turn(self, contestant: str, measure: Callable[[], Timing]) -> None:
        """Let a contestant have a round; again when the machine was disturbed."""
        for attempt in range(self.retries + 1):
            wait_until_quiet(PATIENCE_SECONDS if self.retries else 0)
            timing = measure()
            say(
                f"{contestant}: {timing.wall_per_date:.2f} s and {timing.cpu_per_date:.2f} CPU s a "
                f"date, peak {timing.peak_mb:.0f} MB ({timing.disturbance})"
            )
            if timing.disturbance.is_small:
                break
            if attempt == self.retries:
                self.disturbed += 1
        self.rounds.setdefault(contestant, []).append(timing)

    def ratio(self, one: str, other: str, value: Callable[[Timing], float]) -> float:
        """Return the ratio of the medians over pairs of neighbouring rounds."""
        pairs = list(zip(self.rounds[one], self.rounds[other], strict=True))
        return statistics.median(value(a) for a, _ in pairs) / statistics.median(
            value(b) for _, b in pairs
        )

    def median(self, contestant: str, value: Callable[[Timing], float]) -> float:
        """Return a contestant's median."""
        return statistics.median(map(value, self.rounds[contestant]))


def say(text: str) -> None:
    """Print a line of progress."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def wall(timing: Timing) -> float:
    """Return seconds of wall time for each date."""
    return timing.wall_per_date


def cpu(timing: Timing) -> float:
    """Return seconds of CPU time for each date."""
    return timing.cpu_per_date


def days_of(workload: Workload, count: int) -> list[date]:
    """Return the first dates that run."""
    first = FIRST_DAY + timedelta(days=workload.first_offset)
    return [first + timedelta(days=number) for number in range(count)]


@contextlib.contextmanager
def flowapi_for(workload: Workload, dates: int) -> Iterator[DemoFlowapi]:
    """Run a demo FlowAPI with as many days as it takes for so many dates."""
    with DemoFlowapi(days=workload.days_for(dates)) as flowapi:
        yield flowapi


def measure_loops(
    bench: Bench, workload: Workload, flowapi: DemoFlowapi, count: int, dates: int
) -> Timing:
    """Time plain loops side by side, the dates shared out among them; each has one more, untimed."""
    outputs = bench.new_directory("loops")
    outputs.mkdir()
    plan = loop_plan(workload, days_of(workload, dates + count), flowapi.url, outputs)
    plans = [plan[number::count] for number in range(count)]
    return run_loops(plans, {"FLOWAPI_TOKEN": flowapi.token, "FLOWAPI_URL": flowapi.url})


def measure_product(
    bench: Bench,
    workload: Workload,
    flowapi: DemoFlowapi,
    *,
    dates: int,
    warm: bool = True,
    runs_at_once: int | None = None,
) -> Timing:
    """Time the product over a backlog."""
    product = Product(workload, bench.new_directory("product"), flowapi, warm, runs_at_once)
    with product.running() as instance:
        return product.time_backlog(instance, dates)


def bench_example(bench: Bench, with_cold: bool) -> None:
    """Measure the example: loops, and the product warm and cold, in turns."""
    workload = example(bench.new_directory("example"))
    with flowapi_for(workload, bench.dates + UNTIMED) as flowapi:
        say("loops over all dates, so that FlowAPI has all results: not timed")
        measure_loops(bench, workload, flowapi, CORES, bench.dates + UNTIMED - CORES)
        for _ in range(bench.pairs):
            bench.turn("example, one loop", lambda: measure_loops(bench, workload, flowapi, 1, 7))
            bench.turn(
                "example, product",
                lambda: measure_product(bench, workload, flowapi, dates=bench.dates),
            )
            bench.turn("example, two loops", lambda: measure_loops(bench, workload, flowapi, 2, 14))
            if with_cold:
                bench.turn(
                    "example, product cold",
                    lambda: measure_product(bench, workload, flowapi, dates=8, warm=False),
                )
    of = bench.numbers
    of["example.wall_ratio_vs_two_loops"] = bench.ratio(
        "example, product", "example, two loops", wall
    )
    of["example.cpu_ratio_vs_one_loop"] = bench.ratio("example, product", "example, one loop", cpu)
    of["example.wall_seconds_per_date"] = bench.median("example, product", wall)
    of["example.cpu_seconds_per_date"] = bench.median("example, product", cpu)
    if with_cold:
        of["cold.wall_ratio_vs_papermill"] = bench.ratio(
            "example, product cold", "example, one loop", wall
        )
        of["cold.wall_ratio_vs_two_loops"] = bench.ratio(
            "example, product cold", "example, two loops", wall
        )


def bench_empty(bench: Bench) -> None:
    """Measure the chain of two almost empty notebooks, one run at a time."""
    workload = empty(bench.new_directory("empty"))
    with flowapi_for(workload, bench.dates + UNTIMED) as flowapi:
        for _ in range(bench.pairs):
            bench.turn("empty, one loop", lambda: measure_loops(bench, workload, flowapi, 1, 7))
            bench.turn(
                "empty, product, one run at a time",
                lambda: measure_product(
                    bench, workload, flowapi, dates=bench.dates, runs_at_once=1
                ),
            )
    product = "empty, product, one run at a time"
    of = bench.numbers
    of["empty.overhead_seconds_per_run"] = bench.median(product, median_overhead)
    of["empty.backlog_overhead_seconds_per_run"] = bench.median(
        product, lambda t: t.wall_per_date - statistics.median(t.cell_seconds)
    )
    of["empty.run_seconds"] = bench.median(product, lambda t: statistics.median(t.run_seconds))
    of["empty.papermill_seconds"] = bench.median("empty, one loop", wall)
    of["empty.wall_ratio_vs_papermill"] = of["empty.run_seconds"] / of["empty.papermill_seconds"]
    of["empty.backlog_ratio_vs_papermill"] = bench.ratio(product, "empty, one loop", wall)


def bench_independent(bench: Bench) -> None:
    """Measure two almost empty notebooks of which neither needs the other."""
    workload = empty(bench.new_directory("independent"), is_chain=False)
    names = [f"independent, {name}" for name in ("one loop", "two loops", "product")]
    one, two, product = names
    with flowapi_for(workload, bench.dates + UNTIMED) as flowapi:
        for _ in range(bench.pairs):
            bench.turn(one, lambda: measure_loops(bench, workload, flowapi, 1, 7))
            bench.turn(
                product, lambda: measure_product(bench, workload, flowapi, dates=bench.dates)
            )
            bench.turn(two, lambda: measure_loops(bench, workload, flowapi, 2, 14))
    of = bench.numbers
    of["independent.wall_ratio_vs_one_loop"] = bench.ratio(product, one, wall)
    of["independent.wall_ratio_vs_two_loops"] = bench.ratio(product, two, wall)
    of["independent.run_seconds"] = bench.median(
        product, lambda t: statistics.median(t.run_seconds)
    )


def bench_idle(bench: Bench) -> None:
    """Measure how soon the report of one new date is there, the service being idle.

    The dates come at all moments between two ticks of the sensor; the slowest one counts.
    """
    workload = example(bench.new_directory("idle"))
    seconds = []
    with flowapi_for(workload, UNTIMED) as flowapi:
        product = Product(workload, bench.new_directory("idle"), flowapi, True)
        with product.running() as instance:
            product.time_backlog(instance, 0)
            number = 2 * bench.pairs + 1
            for index in range(number):
                time.sleep(SENSOR_INTERVAL * (0.5 + index / number))
                seconds.append(product.time_new_date(instance, flowapi))
                say(f"a new date's report is there after {seconds[-1]:.1f} s")
        bench.turn("idle, one loop", lambda: measure_loops(bench, workload, flowapi, 1, 4))
    of = bench.numbers
    # The first new date's queries are FlowAPI's work, not ours; so are all others'.
    of["idle_new_date.seconds"] = statistics.median(seconds)
    of["idle_new_date.slowest_seconds"] = max(seconds)
    loop = bench.median("idle, one loop", wall)
    of["idle_new_date.ratio"] = (max(seconds) - SENSOR_INTERVAL) / loop


def bench_memory(bench: Bench) -> None:
    """Measure the memory of two dates at a time, by process, beside two loops."""
    workload = example(bench.new_directory("memory"))
    with flowapi_for(workload, 10 + UNTIMED) as flowapi:
        for _ in range(bench.pairs):
            bench.turn(
                "memory, product, two runs at a time",
                lambda: measure_product(bench, workload, flowapi, dates=10, runs_at_once=2),
            )
            bench.turn("memory, two loops", lambda: measure_loops(bench, workload, flowapi, 2, 8))
    product = sorted(
        bench.rounds["memory, product, two runs at a time"], key=lambda timing: timing.peak_mb
    )[bench.pairs // 2]
    of = bench.numbers
    of["memory.two_dates_peak_mb"] = product.peak_mb
    of["memory.two_loops_peak_mb"] = bench.median("memory, two loops", lambda t: t.peak_mb)
    of["memory.two_dates_peak_mb_without_service"] = sum(
        product.memory_mb.get(part, 0.0) for part in OF_RUNS
    )
    for part, megabytes in product.memory_mb.items():
        of[f"memory_by_process.{part}"] = megabytes


def bench_stock(bench: Bench) -> None:
    """Measure stock dagstermill."""
    workload = empty(bench.new_directory("stock"))
    bench.turn(
        "empty, stock dagstermill", lambda: time_stock(workload, bench.new_directory("stock"), 3)
    )
    bench.numbers["stock.seconds_per_date"] = bench.median("empty, stock dagstermill", wall)


def bench_growth(bench: Bench) -> None:
    """Measure how the time for a date grows with notebooks, dates and configs."""
    cases = [
        *(("notebooks", n, {"notebooks": n}, 10) for n in (1, 2, 4, 8)),
        *(("dates", n, {}, n) for n in (10, 50, 100)),
        *(("configs", n, {"configs": n}, 10) for n in (1, 2, 4)),
    ]
    for what, count, shape, dates in cases:
        workload = empty(bench.new_directory("growth"), **shape)
        configs = shape.get("configs", 1)
        with flowapi_for(workload, dates + UNTIMED) as flowapi:
            bench.turn(
                f"growth, {count} {what}",
                lambda w=workload, f=flowapi, n=(dates + UNTIMED) * configs - UNTIMED: (
                    measure_product(bench, w, f, dates=n)
                ),
            )


def run_sections(bench: Bench, sections: list[str]) -> Iterator[None]:
    """Measure what was asked for; stops after each section."""
    measures: dict[str, Callable[[], None]] = {
        "example": lambda: bench_example(bench, "cold" in sections),
        "empty": lambda: bench_empty(bench),
        "independent": lambda: bench_independent(bench),
        "idle": lambda: bench_idle(bench),
        "memory": lambda: bench_memory(bench),
        "stock": lambda: bench_stock(bench),
        "growth": lambda: bench_growth(bench),
    }
    for section, measure in measures.items():
        if section in sections:
            measure()
            yield


def as_json(bench: Bench) -> dict[str, Any]:
    """Return the results, the numbers nested by their names."""
    result: dict[str, Any] = {
        "machine": description(),
        "measured": time.strftime("%Y-%m-%d"),
        "dates": bench.dates,
        "pairs": bench.pairs,
        "disturbed_rounds_kept": bench.disturbed,
    }
    for name, value in sorted(bench.numbers.items()):
        group, _, key = name.partition(".")
        result.setdefault(group, {})[key] = round(value, 3)
    result["contestants"] = {
        name: {
            "wall_seconds_per_date": round(statistics.median(map(wall, rounds)), 2),
            "cpu_seconds_per_date": round(statistics.median(map(cpu, rounds)), 2),
            "peak_mb": round(statistics.median(r.peak_mb for r in rounds)),
            "rounds": [
                {
                    "wall": round(r.wall_per_date, 2),
                    "cpu": round(r.cpu_per_date, 2),
                    "steal": round(r.disturbance.steal, 3),
                    "others": round(r.disturbance.others, 3),
                }
                for r in rounds
            ],
        }
        for name, rounds in bench.rounds.items()
    }
    return result


TARGETS = {
    "example.wall_ratio_vs_two_loops": 0.6,
    "example.cpu_ratio_vs_one_loop": 0.65,
    "empty.overhead_seconds_per_run": 0.8,
    "empty.wall_ratio_vs_papermill": 0.5,
    "cold.wall_ratio_vs_papermill": 1.3,
    "idle_new_date.ratio": 1.0,
    "memory.two_dates_peak_mb": 600,
}


def as_markdown(result: dict[str, Any]) -> str:
    """Return the results for people."""
    machine = result["machine"]
    lines = [
        "# Benchmarks",
        "",
        "Made by `make bench`; see `scripts/bench.py` for what is measured and how. Each figure is a "
        "median of rounds in which the contestants took turns.",
        "",
        f"Machine: {machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB, "
        f"{machine['system']}, Python {machine['python']}; {result['measured']}, "
        f"{result['pairs']} rounds, backlog of {result['dates']} dates. Rounds that were kept though "
        f"the machine was disturbed: {result['disturbed_rounds_kept']}.",
        "",
        "| Target | At most | Measured |",
        "|---|---|---|",
    ]
    for name, most in TARGETS.items():
        group, _, key = name.partition(".")
        if key in result.get(group, {}):
            value = result[group][key]
            lines.append(f"| {name} | {most:g} | {value:.{0 if value > 100 else 2}f} |")
    lines += ["", *_notes(result), "", "## All contestants"]
    lines += [
        "",
        "| Contestant | s per date | CPU s per date | peak MB |",
        "|---|---|---|---|",
    ]
    for name, row in result["contestants"].items():
        lines.append(
            f"| {name} | {row['wall_seconds_per_date']:.2f} | {row['cpu_seconds_per_date']:.2f} "
            f"| {row['peak_mb'] or '-'} |"
        )
    parts = result.get("memory_by_process", {})
    if parts:
        lines += [
            "",
            "Memory of two dates at a time at its peak, pages that are shared counted once, in MB:",
            "",
            "| Processes | MB |",
            "|---|---|",
            *(f"| {part} | {mb:.0f} |" for part, mb in sorted(parts.items(), key=lambda p: -p[1])),
            "",
            "[memory.md](memory.md) says why it is not less.",
        ]
    return "\n".join(lines) + "\n"


def _notes(result: dict[str, Any]) -> list[str]:
    """Return what the figures mean where their names do not say it."""
    empty_, idle = result.get("empty", {}), result.get("idle_new_date", {})
    notes = [
        "- Example: the specification's, two notebooks with queries and plots, one PDF. Empty: a chain of "
        "two notebooks that do next to nothing, one run at a time."
    ]
    if "backlog_overhead_seconds_per_run" in empty_:
        notes.append(
            "- The overhead of a run is counted from its launch. With the wait in Dagster's queue, "
            "which overlaps with other runs when several run at once, it is "
            f"{empty_['backlog_overhead_seconds_per_run']:.2f} s."
        )
    if "slowest_seconds" in idle:
        notes.append(
            f"- A new date's report was there after {idle['seconds']:.1f} s (median), and after "
            f"{idle['slowest_seconds']:.1f} s at the latest. The ratio is what the latest one took "
            f"beyond the sensor's interval of {SENSOR_INTERVAL:g} s, to one plain loop's time for a date."
        )
    if "memory" in result:
        notes.append(
            "- Memory is that of all processes but `autoflow up` itself, whose place the benchmark "
            "takes: some 100 MB more."
        )
    return notes


def write(result: dict[str, Any], directory: Path) -> None:
    """Write the results so far; what was not measured this time stays as it was."""
    directory.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        before = json.loads((directory / "latest.json").read_text())
        groups = {
            name: {**before.get(name, {}), **group}
            for name, group in result.items()
            if isinstance(group, dict) and name != "memory_by_process"  # always measured as one
        }
        result = {**before, **result, **groups}
    (directory / "latest.json").write_text(json.dumps(result, indent=2) + "\n")
    (directory / "latest.md").write_text(as_markdown(result))


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dates", type=int, default=20, help="size of the product's backlog")
    parser.add_argument("--pairs", type=int, default=3, help="rounds of each contestant")
    parser.add_argument("--retries", type=int, default=2, help="of a round that was disturbed")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--output", type=Path, default=RESULTS, help="directory of the results")
    options = parser.parse_args()
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
        say("PYTHONDONTWRITEBYTECODE is ignored: each kernel would compile its imports again")
    with tempfile.TemporaryDirectory(prefix="autoflow-bench-") as directory:
        bench = Bench(Path(directory), options.dates, options.pairs, options.retries)
        for _ in run_sections(bench, options.only):
            write(as_json(bench), options.output)
    print(as_markdown(as_json(bench)))


if __name__ == "__main__":
    sys.exit(main())
