"""The cost of storing every word before it is shown: compares the chat spine with a relay without storage.

    python -m benchmarks.chat [--only PART ...]

Starts PostgreSQL, Valkey, a load server (benchmarks/load_server.py), the relay (benchmarks/relay.py) and one
web process (benchmarks/stage.py). Load clients (benchmarks/load_client.py) query both in turn, in the same
run (benchmarks/streams.py). CPU is that of the relay or the web process, read from /proc; PostgreSQL's is
reported separately. Writes benchmarks/results/chat.md.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from statistics import median

import uvloop

from benchmarks import streams
from benchmarks.installation import ROOT
from benchmarks.load_client import Stream
from benchmarks.stage import Stage, cpu_ticks, staged
from benchmarks.streams import IDLE_SOCKETS, MAX_GAP_MS, Counted, Idle, PerTurn, Rung, Steady, percentile
from core.db.threads import to_thread

RESULT = ROOT / "benchmarks" / "results" / "chat.md"
MAX_PART_S = 300  # even on a busy machine; longer means that the run hangs
SESSIONS = 5  # of each length, used in turn
MIN_ALONE = 30  # minimum number of first words without CPU steal for a verdict based on them
GOALS_RELAY_US = 46  # CPU per token of the relay on the machine that the goals come from
ROUNDS = 2  # per comparison; the two sides alternate


@dataclass
class Results:
    counted: Counted = field(default_factory=Counted)
    steady: dict[str, Steady] = field(default_factory=dict)
    alike: dict[str, Steady] = field(
        default_factory=dict
    )  # with fewer streams, on a core as busy as that of the goals
    burst: dict[str, list[float]] = field(default_factory=dict)
    turns: dict[str, PerTurn] = field(default_factory=dict)
    idle: dict[str, Idle] = field(default_factory=dict)
    ladder: dict[str, list[Rung]] = field(default_factory=dict)
    resume: list[float] = field(default_factory=list)
    sessions: dict[int, PerTurn] = field(default_factory=lambda: {10: PerTurn(), 1000: PerTurn()})
    faults: Counted | None = None
    unfinished: list[str] = field(default_factory=list)  # parts that timed out


class Run:
    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.results = Results()

    def _count(self, streams: Iterable[Stream]) -> None:
        self.results.counted.add(streams, self.stage.sent())

    async def warm(self) -> None:
        for side in self.stage.sides:
            await streams.burst(self.stage, side, [])

    async def steady(self) -> None:
        for _ in range(ROUNDS):
            for side in self.stage.sides:
                self._count(
                    await streams.steady(
                        self.stage, side, self.results.steady.setdefault(side.name, Steady())
                    )
                )

    async def alike(self) -> None:
        """Measure again, with as many streams as keep this core as busy as 100 kept the goals' core."""
        if not self.results.steady:
            return
        count = round(streams.STREAMS / slowness(self.results))
        for _ in range(ROUNDS):
            for side in self.stage.sides:
                into = self.results.alike.setdefault(side.name, Steady(streams=count))
                self._count(await streams.steady(self.stage, side, into, count))

    async def burst(self) -> None:
        for _ in range(ROUNDS):
            for side in self.stage.sides:
                self._count(
                    await streams.burst(self.stage, side, self.results.burst.setdefault(side.name, []))
                )

    async def turns(self) -> None:
        for _ in range(ROUNDS):
            for side in self.stage.sides:
                into = self.results.turns.setdefault(side.name, PerTurn())
                self._count(await streams.turns(self.stage, side, into))

    async def sessions(self) -> None:
        lengths = list(self.results.sessions)
        made = {
            length: [
                await to_thread(streams.session_of)(length, self.stage.place.user) for _ in range(SESSIONS)
            ]
            for length in lengths
        }
        for _ in range(ROUNDS):
            for length in lengths:
                into = self.results.sessions[length]
                self._count(
                    await streams.turns(self.stage, self.stage.spine, into, count=100, sessions=made[length])
                )

    async def idle(self) -> None:
        for side in self.stage.sides:
            self.results.idle[side.name] = await streams.idle(self.stage, side)

    async def resume(self) -> None:
        self._count(await streams.resume(self.stage, self.stage.spine, self.results.resume))

    async def ladder(self) -> None:
        for side in self.stage.sides:
            self._count(await streams.ladder(self.stage, side, self.results.ladder.setdefault(side.name, [])))

    async def faults(self) -> None:
        self.results.faults = Counted()
        self.results.faults.add(await streams.faults(self.stage, self.stage.spine), self.stage.sent())


PARTS = ("idle", "turns", "sessions", "burst", "steady", "alike", "resume", "faults", "ladder")


async def run(stage: Stage, parts: Sequence[str]) -> Results:
    run = Run(stage)
    await run.warm()
    for part in parts:
        print(f"{part} ...", file=sys.stderr, flush=True)
        try:
            async with asyncio.timeout(MAX_PART_S):
                await getattr(run, part)()
        except TimeoutError:
            run.results.unfinished.append(part)
        await asyncio.sleep(1)
    return run.results


# --- the report ----------------------------------------------------------------------------------


def both(values: Sequence[float], digits: int = 0) -> str:
    """Return the median and the 95th percentile."""
    return f"{percentile(values, 0.5):.{digits}f} / {percentile(values, 0.95):.{digits}f}"


def table(head: str, rows: Iterable[Sequence[object]]) -> list[str]:
    lines = [f"| {' | '.join(map(str, row))} |" for row in rows]
    return ["", f"| {head} |", "|---" * (head.count(" | ") + 1) + "|", *lines]


def goals(results: Results) -> Iterator[tuple[str, str, str, str, bool]]:
    """Yield for each measured goal: its name, the relay's value, ours, the goal, and whether it is met."""
    relay, spine = "bare relay", "chat spine"
    if results.steady:
        yield first_words(results.steady, "100 streams running")
        if results.alike:
            count = results.alike[spine].streams
            yield first_words(
                results.alike,
                f"{count} streams running, which keep this core as busy as 100 kept the goals' core",
            )
        us = {name: median(each.us_per_token) for name, each in results.steady.items()}
        yield (
            "CPU per token, 100 streams of 50 tokens/s, us",
            *(f"{us[relay]:.0f}", f"{us[spine]:.0f} ({us[spine] / us[relay]:.2f} times)"),
            "1.5 times",
            us[spine] <= 1.5 * us[relay],
        )
    if results.turns:
        ms = {name: each.ms for name, each in results.turns.items()}
        yield "fixed CPU per turn, ms", f"{ms[relay]:.1f}", f"{ms[spine]:.1f}", "10", ms[spine] <= 10
    if results.ladder:
        most = {name: carried(rungs) for name, rungs in results.ladder.items()}
        what = f"streams of 50 tokens/s on one core, p95 gap below {MAX_GAP_MS} ms"
        yield what, str(most[relay]), str(most[spine]), "400", most[spine] >= 400
    if results.idle:
        kb = {name: each.kb for name, each in results.idle.items()}
        yield "memory of an idle socket, KB", f"{kb[relay]:.0f}", f"{kb[spine]:.0f}", "< 50", kb[spine] < 50
    if any(each.turns for each in results.sessions.values()):
        short, long = (results.sessions[length].ms for length in (10, 1000))
        yield (
            "CPU per turn in a session of 10 turns, and of 1,000, ms",
            *("", f"{short:.1f}, {long:.1f}"),
            "the same",
            long <= 1.1 * short,
        )
    if results.resume:
        p95 = percentile(results.resume, 0.95)
        yield (
            "reconnect: first missed token, p50 / p95 ms",
            "",
            both(results.resume, 1),
            "p95 < 20",
            p95 < 20,
        )


def first_words(steady: Mapping[str, Steady], when: str) -> tuple[str, str, str, str, bool]:
    alone = min(len(each.alone_ms) for each in steady.values()) >= MIN_ALONE
    firsts = [each.alone_ms if alone else each.first_ms for each in steady.values()]
    p50, p95 = (percentile(firsts[-1], share) for share in (0.5, 0.95))
    what = f"added time to the first token, {when}, p50 / p95 ms"
    what += ", without CPU steal" if alone else ""
    return what, both(firsts[0], 1), both(firsts[-1], 1), "< 15 / 50", p50 < 15 and p95 < 50


def slowness(results: Results) -> float:
    """Return the ratio of the relay's CPU per token here to that on the goals' machine."""
    return median(results.steady["bare relay"].us_per_token) / GOALS_RELAY_US


def carried(rungs: Sequence[Rung]) -> int:
    return max([rung.streams for rung in rungs if rung.is_carried], default=0)


def report(results: Results, took_s: float, stolen: float) -> str:
    lines = [
        "# The chat spine compared with a bare relay",
        "",
        f"Made by `make bench-chat` (`python -m benchmarks.chat`) on {date.today()} in {took_s / 60:.0f} "
        f"minutes; {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}, of which this run causes "
        f"about 1.5; CPU steal was {stolen:.0%} of what we would have used.",
        "",
        "The relay is one Channels consumer under uvicorn that forwards the same stream through aiohttp and "
        "stores nothing. The spine commits every token before it is shown. Both run as one process on one "
        "core, in the same run, alternately; the load server, the load clients and PostgreSQL use the other "
        "core. CPU is the process's, without PostgreSQL's, which is reported separately.",
    ]
    rows = [(*row, "met" if met else "**not met**") for *row, met in goals(results)]
    lines += table("metric | relay | spine | goal | ", rows)
    if results.steady:
        lines += [
            "",
            f"The goals in milliseconds come from a machine where the relay's token took {GOALS_RELAY_US} "
            f"us. In this run it took {slowness(results):.1f} times as much, because the machine is slower, "
            'or the host gave it less than whole cores. "Met" does not correct for this.',
        ]
    counted = results.counted
    lines += [
        "",
        f"{counted.tokens:,} tokens of {counted.streams:,} streams were checked: {counted.lost} lost, "
        f"{counted.doubled} duplicated, {counted.reordered} out of order, {counted.leaked} in a wrong "
        f"stream, {counted.wrong_ends} streams ended wrongly.",
        *_reasons(counted),
    ]
    if results.unfinished:
        parts = ", ".join(results.unfinished)
        lines += ["", f"**Timed out after {MAX_PART_S} s, so only partly measured: {parts}.**"]
    lines += _details(results)
    return "\n".join([*lines, ""])


def _details(results: Results) -> Iterator[str]:
    if results.steady:
        yield from ("", "## Streams of 50 tokens a second, and new users meanwhile", "")
        yield (
            "The streams start within five seconds. The first words are those of fifty new users meanwhile, "
            "five per second."
        )
        yield (
            "The last column leaves out users during whose stream at least a hundredth of a second of CPU was "
            "stolen."
        )
        yield from table(
            "| streams | us/token, each round | postgres us/token | frames/token | gap between frames p50 / "
            "p95 ms | first word p50 / p95 ms | without CPU steal",
            (
                (
                    name,
                    each.streams,
                    ", ".join(f"{us:.0f}" for us in each.us_per_token),
                    ", ".join(f"{us:.0f}" for us in each.postgres_us),
                    f"{median(each.frames_per_token):.2f}",
                    both(each.gaps_ms),
                    both(each.first_ms, 1),
                    f"{both(each.alone_ms, 1)}, of {len(each.alone_ms)} in {len(each.first_ms)}",
                )
                for name, each in (*results.steady.items(), *results.alike.items())
            ),
        )
    if results.burst:
        yield from ("", "## A hundred simultaneous questions", "")
        yield "On pages that are already open. The cost of starting a turn becomes waiting time."
        yield from table(
            "| first word p50 / p95 ms", ((name, both(ms)) for name, ms in results.burst.items())
        )
    if results.turns:
        yield from ("", "## A turn of one word", "")
        yield "Twenty per second on open pages, so that few share a group commit."
        yield from table(
            "| ms/turn | postgres ms/turn",
            ((name, f"{each.ms:.1f}", f"{each.postgres_ms:.1f}") for name, each in results.turns.items()),
        )
    if results.idle:
        yield from ("", f"## {IDLE_SOCKETS:,} idle sockets", "")
        yield from table(
            "| KB each | CPU ms to open and close one",
            ((name, f"{each.kb:.0f}", f"{each.connect_ms:.1f}") for name, each in results.idle.items()),
        )
    if results.ladder:
        yield from ("", "## Streams of 50 tokens a second on one core", "")
        yield from table(
            "| streams | tokens/s | gap p50 / p95 ms | late p95 ms | core | postgres core",
            (
                (
                    name,
                    rung.streams,
                    f"{rung.tokens_per_s:,.0f}",
                    f"{rung.gap_ms[0]:.0f} / {rung.gap_ms[1]:.0f}",
                    f"{rung.late_ms:.0f}",
                    f"{rung.core:.2f}",
                    f"{rung.postgres_core:.2f}",
                )
                for name, rungs in results.ladder.items()
                for rung in rungs
            ),
        )
    if results.faults:
        each = results.faults
        yield from ("", "## A thousand concurrent streams of a failing model", "")
        yield "Three in ten streams drop, stall or fail with 500. All that the model sent must be shown."
        yield from table(
            "streams | tokens | lost | duplicated | out of order | in a wrong stream | wrong ends",
            [
                (
                    each.streams,
                    f"{each.tokens:,}",
                    each.lost,
                    each.doubled,
                    each.reordered,
                    each.leaked,
                    each.wrong_ends,
                )
            ],
        )
        yield from _reasons(each)


def _reasons(counted: Counted) -> list[str]:
    rows = [(n, why) for why, n in counted.reasons.most_common()]
    return table("streams that ended wrongly | reason", rows) if rows else []


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare the chat spine with a bare relay.")
    parser.add_argument(
        "--only", nargs="*", choices=PARTS, help="print only these parts, and write no report"
    )
    chosen = parser.parse_args()
    began, before = time.monotonic(), cpu_ticks()
    with staged() as stage:
        results = uvloop.run(run(stage, chosen.only or PARTS))
    used, stolen = (now - then for now, then in zip(cpu_ticks(), before, strict=True))
    text = report(results, time.monotonic() - began, stolen / (used + stolen))
    print(text)
    if not chosen.only:
        RESULT.write_text(text)


if __name__ == "__main__":
    main()
