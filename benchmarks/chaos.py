"""Chaos test of chat: kills components while answers are written, and counts what was lost.

    python -m benchmarks.chaos [--turns 1000] [--seed 7] [--json FILE]

Starts PostgreSQL, Valkey, a fake model and two web processes, all on this machine. Each row of the table is
one kind of fault, with its share of the turns, about fifty at a time. Every turn has a second follower, who
joins later and through any process. Afterwards each log is compared byte for byte with what both followers
received, and with a replay from its first event. Writes benchmarks/results/chaos.md.
"""

import argparse
import asyncio
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

from benchmarks.exhaustion import full_disk, full_valkey, no_connections, read_only
from benchmarks.installation import GRACE_S, ROOT, Installation, Person, Seen, forget_connections, installed

# isort: split
from django.conf import settings
from django.db import connection

# The imports below need the settings, which the installation creates.
from chat.models import Answer, AnswerEvent, Turn
from chat.queue.runner import FLUSH_S
from chat.queue.runner import GRACE_S as ANSWERS_GRACE_S
from core.db.threads import to_thread

RESULT = ROOT / "benchmarks" / "results" / "chaos.md"
CONCURRENCY = 50
OUTAGE_S = 3.0
USUAL = "usual?tokens=60&first_token_s=0.2&between_tokens_s=0.04&text=word%20"
LONG = "long?tokens=200&first_token_s=0.2&between_tokens_s=0.04&text=word%20"
DEADLINES_S = {"first_token_timeout_s": 2.0, "between_tokens_timeout_s": 1.0}
KEPT = 5  # words before a model fails in the middle
BAD_MODELS = {
    "busy?status=429": 0,
    "broken?status=500": 0,
    "rubbish?body=rubbish": 0,
    "stalls-first?stall_after=0": 0,
    f"stalls?tokens=20&text=word%20&stall_after={KEPT}": KEPT,
    f"drops?tokens=20&text=word%20&drop_after={KEPT}": KEPT,
    f"garbage?tokens=20&text=word%20&garbage_after={KEPT}": KEPT,
}
MAX_CALLS = 3  # per claim of a model that fails before its first word: inference.resilience retries


@dataclass
class Row:
    """The outcome of some turns. All fields except `turns`, `ends`, `restarted` and the times must be 0."""

    name: str
    turns: int = 0
    ends: dict[str, int] = field(default_factory=dict)
    restarted: int = 0
    lost: int = 0  # turns that are missing, or whose answer did not end for the asker
    doubled: int = 0  # turns that were recorded or answered more than once
    unlogged: int = 0  # events that a client received, but the log does not contain
    disorder: int = 0  # events that a client received twice, or after a gap
    differing: int = 0  # followers whose replay or text differs from the log and the row
    calls_too_many: int = 0  # calls of the model, beyond one per claim
    wrong: int = 0  # violations of this row's own expectation
    slowest_s: float = 0.0  # from asking to the end
    left_s: float = 0.0  # how long the slowest process took to shut down

    @property
    def holds(self) -> bool:
        faults = (self.lost, self.doubled, self.unlogged, self.disorder, self.differing, self.calls_too_many)
        return self.turns > 0 and not any(faults) and not self.wrong

    def as_markdown(self) -> str:
        ends = ", ".join(f"{count} {end}" for end, count in sorted(self.ends.items()))
        left = f"{self.left_s:.1f}" if self.left_s else ""
        cells = (
            *(
                self.name,
                self.turns,
                ends,
                self.restarted,
                self.lost,
                self.doubled,
                self.unlogged,
                self.disorder,
            ),
            *(self.differing, self.calls_too_many, self.wrong, f"{self.slowest_s:.1f}", left),
        )
        return f"| {' | '.join(map(str, cells))} |"


HEAD = (
    "| fault | turns | ended | restarted | lost | duplicated | shown, not logged | gaps and duplicates | "
    "replay or text differs | excess calls | wrong end | slowest s | shutdown s |\n" + "|---" * 13 + "|"
)


# --- asking --------------------------------------------------------------------------------------


@dataclass
class Turned:
    """One turn as its two followers saw it."""

    asker: Seen
    watcher: Seen
    model: str
    took_s: float


async def asked(place: Installation, model: str, cut_every_s: float = 0) -> Turned:
    """Ask once, with a second follower who joins later."""
    seen, began = Seen(), time.monotonic()
    asking = asyncio.create_task(Person(place).ask(model, seen=seen, cut_every_s=cut_every_s))
    while not (seen.answer_id or asking.done()):  # noqa: ASYNC110 - another process produces the result
        await asyncio.sleep(0.05)
    await asyncio.sleep(random.uniform(0, 1))
    watcher = await Person(place).watch(seen.answer_id) if seen.answer_id else Seen()
    await asking
    return Turned(seen, watcher, model, time.monotonic() - began)


async def asked_during(
    place: Installation, models: Sequence[str], accident: Callable[[], Coroutine[Any, Any, None]]
) -> list[Turned]:
    """Ask some questions within a second, and inject the fault meanwhile."""

    async def soon(model: str) -> Turned:
        await asyncio.sleep(random.uniform(0, 1))
        return await asked(place, model)

    happening = asyncio.create_task(accident())
    turned = await asyncio.gather(*map(soon, models))
    await happening
    return turned


Accident = Callable[[Installation, Row, int], Awaitable[list[Turned]]]


# --- faults --------------------------------------------------------------------------------------


_LOG = AnswerEvent._meta.db_table


def _database() -> dict[str, Any]:
    known = connection.get_connection_params()
    return {name: value for name, value in known.items() if name != "cursor_factory"}


def _valkey() -> str:
    return str(settings.CACHES["default"]["LOCATION"])


async def killed(place: Installation, row: Row, count: int) -> list[Turned]:
    async def accident() -> None:
        process = random.choice(list(place.webs.values()))
        await asyncio.sleep(random.uniform(0.3, 3.5))
        await asyncio.to_thread(process.kill)
        await asyncio.to_thread(process.restart)

    return await asked_during(place, [USUAL] * count, accident)


async def cut(place: Installation, row: Row, count: int) -> list[Turned]:
    return await asyncio.gather(*[asked(place, USUAL, cut_every_s=0.6) for _ in range(count)])


async def repeated(place: Installation, row: Row, count: int) -> list[Turned]:
    """Send each message twice on each of two sockets and once over REST, concurrently, to both processes."""

    async def once() -> Turned:
        began = time.monotonic()
        session_id = await to_thread(place.begin_session)()
        first = Seen(session_id=session_id)
        others = [Seen(session_id=session_id, message_id=first.message_id) for _ in range(2)]
        sockets = [Person(place).ask(USUAL, seen=seen, times=2) for seen in (first, others[0])]
        await asyncio.gather(*sockets, Person(place).ask_over_rest(USUAL, others[1]))
        row.doubled += len({seen.answer_id for seen in (first, *others)}) - 1
        row.wrong += calls_of(place, first) != 1
        row.differing += sum(seen.events != first.events for seen in others)
        return Turned(first, others[0], USUAL, time.monotonic() - began)

    return await asyncio.gather(*[once() for _ in range(count)])


async def postgres_restarted(place: Installation, row: Row, count: int) -> list[Turned]:
    turned = await _restarted(place, place.postgres.restart, count)
    await to_thread(forget_connections)()
    return turned


async def valkey_restarted(place: Installation, row: Row, count: int) -> list[Turned]:
    return await _restarted(place, place.valkey.restart, count)


def running_out(outage: Callable[[], AbstractContextManager[None]]) -> Accident:
    """Return the fault that a service runs out for some seconds, while questions come in and answers are written."""

    async def happens(place: Installation, row: Row, count: int) -> list[Turned]:
        async def accident() -> None:
            await asyncio.sleep(random.uniform(0.3, 2.5))
            await asyncio.to_thread(_last, outage)

        turned = await asked_during(place, [USUAL] * count, accident)
        await to_thread(forget_connections)()
        return turned

    return happens


def _last(outage: Callable[[], AbstractContextManager[None]]) -> None:
    with outage():
        time.sleep(OUTAGE_S)


async def _restarted(place: Installation, restart: Callable[[], None], count: int) -> list[Turned]:
    async def accident() -> None:
        await asyncio.sleep(random.uniform(0.3, 2.5))
        await asyncio.to_thread(restart)

    return await asked_during(place, [USUAL] * count, accident)


async def misbehaved(place: Installation, row: Row, count: int) -> list[Turned]:
    models = list(BAD_MODELS)
    turned = await asyncio.gather(*[asked(place, models[n % len(models)]) for n in range(count)])
    for turn in turned:
        reasons = [each["data"]["error"] for each in turn.asker.events if each["kind"] == "failed"]
        row.wrong += not any(reasons) or len(turn.asker.text.split()) != BAD_MODELS[turn.model]
    return turned


async def terminated(place: Installation, row: Row, count: int) -> list[Turned]:
    """Send SIGTERM to a process with answers that end in time and answers that do not."""

    async def accident() -> None:
        process = random.choice(list(place.webs.values()))
        await asyncio.sleep(1.5)
        left_s = await asyncio.to_thread(process.terminate)
        row.left_s = max(row.left_s, left_s)
        row.wrong += left_s > GRACE_S + ANSWERS_GRACE_S + FLUSH_S + 2
        await asyncio.to_thread(process.restart)

    return await asked_during(place, [(USUAL, LONG)[n % 2] for n in range(count)], accident)


ACCIDENTS: list[tuple[str, Accident, float]] = [  # with their share of the turns
    ("a web process is killed", killed, 0.26),
    ("the socket is cut every 0.6 s", cut, 0.14),
    ("each message is sent 5 times concurrently", repeated, 0.1),
    ("PostgreSQL is restarted", postgres_restarted, 0.1),
    ("Valkey is restarted", valkey_restarted, 0.1),
    ("PostgreSQL is read-only for 3 s", running_out(lambda: read_only(_database())), 0.025),
    ("the disk of PostgreSQL is full for 3 s", running_out(lambda: full_disk(_database(), _LOG)), 0.025),
    (
        "PostgreSQL has no connection for 3 s",
        running_out(lambda: no_connections(_database())),
        0.025,
    ),
    ("Valkey is full for 3 s", running_out(lambda: full_valkey(_valkey())), 0.025),
    ("the model fails", misbehaved, 0.1),
    ("SIGTERM", terminated, 0.1),
]


# --- counting ------------------------------------------------------------------------------------


def calls_of(place: Installation, seen: Seen) -> int:
    return sum(seen.message_id in chat.body["messages"][-1]["content"] for chat in place.model.chats)


def canonical(events: Sequence[Mapping[str, Any]]) -> list[str]:
    return [json.dumps([each["seq"], each["kind"], each["data"]], sort_keys=True) for each in events]


async def account(place: Installation, row: Row, turned: Sequence[Turned]) -> None:
    """Compare what the followers saw with the log, with its replay, and with the row of the answer."""
    calls = Counter(chat.body["messages"][-1]["content"].split()[-1] for chat in place.model.chats)
    for turn in turned:
        replay = (
            await Person(place, limit_s=10).watch(turn.asker.answer_id) if turn.asker.answer_id else Seen()
        )
        await to_thread(_account)(row, turn, replay, calls[turn.asker.message_id])


def _account(row: Row, turn: Turned, replay: Seen, calls: int) -> None:
    row.turns += 1
    row.slowest_s = max(row.slowest_s, turn.took_s)
    recorded = list(Turn.objects.filter(message_id=turn.asker.message_id))
    found = list(Answer.objects.filter(turn__in=recorded))
    row.doubled += max(0, len(recorded) - 1) + max(0, len(found) - 1)
    if not found or not found[0].has_ended or not turn.asker.is_over:
        row.lost += 1
        print(f"Lost: {turn.asker.message_id}, {turn.asker.complaints}", file=sys.stderr)
        return
    [answer] = found[:1]
    rows = AnswerEvent.objects.filter(answer=answer).order_by("seq").values("seq", "kind", "data")
    log = canonical(list(rows))
    row.ends[answer.status] = row.ends.get(answer.status, 0) + 1
    row.restarted += any(event["kind"] == "restarted" for event in replay.events)
    row.disorder += turn.asker.disorder + turn.watcher.disorder + replay.disorder
    row.unlogged += sum(len(set(canonical(each.events)) - set(log)) for each in (turn.asker, turn.watcher))
    row.differing += sum(canonical(each.events) != log for each in (turn.asker, turn.watcher, replay))
    row.differing += turn.asker.text != answer.text
    allowed = answer.fence * (MAX_CALLS if answer.status == Answer.Status.FAILED else 1)
    row.calls_too_many += max(0, calls - allowed)


async def run(place: Installation, turns: int) -> list[Row]:
    for model in (USUAL, LONG, *BAD_MODELS):
        await to_thread(place.offer)(model, **(DEADLINES_S if model in BAD_MODELS else {}))
    return [
        await _happened(place, name, accident, round(turns * share)) for name, accident, share in ACCIDENTS
    ]


async def _happened(place: Installation, name: str, accident: Accident, turns: int) -> Row:
    row, left = Row(name), max(1, turns)
    print(f"{name} ...", file=sys.stderr, flush=True)
    while left:
        turned = await accident(place, row, min(left, CONCURRENCY))
        await account(place, row, turned)
        left -= len(turned)
    print(row.as_markdown(), file=sys.stderr, flush=True)
    return row


def report(rows: Sequence[Row], command: str, took_s: float) -> str:
    total = sum(row.turns for row in rows)
    verdict = "Every check passed." if all(row.holds for row in rows) else "**Some checks failed.**"
    return "\n".join(
        [
            "# What is lost when components die",
            "",
            f"Made by `{command}` on {date.today()}, in {took_s / 60:.0f} minutes; {os.cpu_count()} cores, load "
            f"average {os.getloadavg()[0]:.1f}. Two web processes, a PostgreSQL and a Valkey; {total} turns, up to "
            f"{CONCURRENCY} at a time, each with two followers.",
            "",
            f"{verdict} The columns from *lost* to *wrong end* must be 0.",
            "",
            HEAD,
            *[row.as_markdown() for row in rows],
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Kill components while answers are written.")
    parser.add_argument("--turns", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=7, help="random seed of the faults")
    parser.add_argument("--json", help="write the counts to this file instead of the report")
    chosen = parser.parse_args()
    random.seed(chosen.seed)
    began = time.monotonic()
    with installed() as place:
        rows = asyncio.run(run(place, chosen.turns))
    if chosen.json:
        with open(chosen.json, "w") as file:
            json.dump([asdict(row) | {"holds": row.holds} for row in rows], file)
        return
    command = f"python -m benchmarks.chaos --turns {chosen.turns} --seed {chosen.seed}"
    text = report(rows, command, time.monotonic() - began)
    print(text)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(text)
    sys.exit(not all(row.holds for row in rows))


if __name__ == "__main__":
    main()
