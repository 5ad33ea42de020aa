"""What Prometheus reads, looked at by its own tool; quick however full the queue and the history are."""

import asyncio
import re
import shutil
import subprocess
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, update

from quarters.model.build import Outcome, Reason
from quarters.model.token import Scope
from quarters.protocol.builds import Assignment, ClaimRequest, Finish, LeaseKey
from quarters.scheduler.settings import SchedulerSettings
from quarters.server.settings import ServerSettings
from quarters.storage.schema import builders, builds
from tests.serving import Running, running

_PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
_QUEUED = 1_500
_ENDED = 1_000


async def scraped(server: Running, *options: str) -> str:
    """As curl gets it."""
    command = ["curl", "--silent", "--show-error", "--fail-with-body", *options, f"{server.url}/metrics"]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def promtool(*arguments: str, text: str = "") -> str:
    """What `promtool check` says about what is good."""
    done = subprocess.run(
        ["promtool", "check", *arguments], input=text, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def values(text: str) -> dict[str, float]:
    lines = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


async def claimed(server: Running) -> Assignment:
    ask = ClaimRequest(builder="anvil", arches=("x86_64",), slots=1, free=1)
    (one,) = (await server.admin.work.claim(ask)).assignments
    return one


async def end(server: Running, one: Assignment, outcome: Outcome, reason: Reason | None = None) -> None:
    await server.admin.work.finish(LeaseKey.of(one), Finish(outcome=outcome, steps=(), reason=reason))


async def test_what_happens_is_counted_and_timed(server: Running) -> None:
    await scraped(server)
    await server.ready_builds("one", "two", "three")
    server.clock.at += timedelta(seconds=100)
    first = await claimed(server)
    server.clock.at += timedelta(seconds=20)
    await end(server, first, Outcome.FAILED, Reason.BUILD_FAILED)
    await end(server, await claimed(server), Outcome.SKIPPED)
    found = values(await scraped(server))
    assert found['quarters_queue_builds{arch="x86_64",class="0",state="ready"}'] == 1
    assert found['quarters_queue_oldest_age_seconds{arch="x86_64",class="0",state="ready"}'] == 120
    ended = {name: value for name, value in found.items() if name.startswith("quarters_builds_ended_total")}
    assert ended == {
        'quarters_builds_ended_total{arch="x86_64",reason="build_failed",state="failed"}': 1,
        'quarters_builds_ended_total{arch="x86_64",reason="",state="skipped"}': 1,
    }
    assert found['quarters_build_wait_seconds_sum{arch="x86_64"}'] == 220
    assert found['quarters_build_seconds_sum{arch="x86_64"}'] == 20
    assert found['quarters_builders{state="enabled"}'] == 1
    assert found["process_resident_memory_bytes"] > 0
    server.clock.at += timedelta(days=1)
    assert values(await scraped(server))['quarters_builders{state="silent"}'] == 1


async def test_a_quarantine_that_is_over_counts_no_more(server: Running) -> None:
    await server.ready_builds("one")
    await claimed(server)
    for ends, counted in ((timedelta(minutes=1), 1), (timedelta(minutes=-1), 0)):
        await server.services.database.write(_quarantine, server.clock.at + ends)
        assert values(await scraped(server))["quarters_builders_quarantined"] == counted


async def test_repositories_tell_of_their_indexes(server: Running) -> None:
    found = values(await scraped(server))
    assert found['quarters_index_packages{repository="own"}'] == 0
    assert found['quarters_index_size_bytes{arch="x86_64",repository="own"}'] > 0


async def test_promtool_finds_nothing_to_complain_about(server: Running) -> None:
    assert shutil.which("promtool"), "scripts/setup --dev installs prometheus"
    await scraped(server)
    await server.ready_builds("one", "two")
    await end(server, await claimed(server), Outcome.SKIPPED)
    text = await scraped(server)
    assert "quarters_build_seconds_bucket" in text
    assert promtool("metrics", text=text) == ""


async def test_the_page_names_every_metric_and_promtool_takes_its_alerts(
    server: Running, tmp_path: Path
) -> None:
    page = _PAGE.read_text()
    given = set(re.findall(r"^# TYPE (quarters_\w+) ", await scraped(server), re.MULTILINE))
    given = {it for it in given if not it.endswith("_created")}
    assert given == set(re.findall(r"^\| `(quarters_\w+)`", page, re.MULTILINE))
    (alerts,) = re.findall(r"^```yaml\n(groups:.*?)^```", page, re.MULTILINE | re.DOTALL)
    rules = tmp_path / "rules.yml"
    rules.write_text(alerts)
    assert "5 rules found" in promtool("rules", str(rules))
    known = {it.removesuffix("_total") for it in given}
    used = set(re.findall(r"quarters_\w+", alerts))
    assert {re.sub(r"_(bucket|total)$", "", it) for it in used} <= known


async def test_a_closed_server_wants_a_token_that_may_read(tmp_path: Path) -> None:
    settings = ServerSettings(port=0, shutdown_grace=1, open_reading=False)
    async with running(tmp_path, settings) as server:
        with pytest.raises(AssertionError, match="urn:quarters:unauthenticated"):
            await scraped(server)
        token = (await server.create_token(Scope.READ)).secret
        assert "quarters_builders" in await scraped(server, "--header", f"Authorization: Bearer {token}")


async def test_a_scrape_counts_all_however_much_there_is(tmp_path: Path, database_url: str) -> None:
    async with running(tmp_path, scheduling=SchedulerSettings(), database_url=database_url) as server:
        await server.ready_builds("one")
        await server.services.database.write(_fill)
        text = await server.services.metrics.text()
        key = 'quarters_queue_builds{arch="x86_64",class="0",state="ready"}'
        assert values(text.decode())[key] == _QUEUED + 1


def _quarantine(connection: Connection, until: datetime) -> None:
    connection.execute(update(builders).values(quarantined_until=until))


def _fill(connection: Connection) -> None:
    for state, count in (("failed", _ENDED), ("ready", _QUEUED)):
        others = [
            it.name for it in builds.c if it.computed is None and it.name not in ("id", "pkgbase", "state")
        ]
        connection.exec_driver_sql(
            f"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) "
            f"INSERT INTO builds (pkgbase, state, {', '.join(others)}) "
            f"SELECT '{state}' || i, '{state}', {', '.join(others)} FROM builds, n WHERE pkgbase = 'one'"
        )
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("ANALYZE builds")  # as autovacuum does by and by
