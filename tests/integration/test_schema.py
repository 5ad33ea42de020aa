"""The API's own description, held against the API by a program that makes up requests, good and bad ones."""

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from quarters.scheduler.settings import SchedulerSettings
from quarters.sources.settings import SourcesSettings
from tests.aur import local_aur
from tests.serving import Running, running

_ENDLESS = ("followEvents", "followLog")
_SUICIDAL = ("revokeToken",)
"""Would lock the program out after a while."""
_ELSEWHERE = ("updateSource",)
"""Asks a repository that is not there, and answers 503 as described."""
_CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "unsupported_method",
)


async def described(server: Running) -> Any:
    async with aiohttp.ClientSession() as session, session.get(f"{server.url}/openapi.json") as answer:
        return json.loads(await answer.read())


async def test_every_route_has_a_name_a_tag_words_and_its_problems(server: Running) -> None:
    description = await described(server)
    assert description["openapi"] == "3.1.0"
    operations = [it for path in description["paths"].values() for it in path.values()]
    assert len({it["operationId"] for it in operations}) == len(operations)
    for it in operations:
        assert it["tags"], it["operationId"]
        assert it["description"], it["operationId"]
        for status, answer in it["responses"].items():
            assert status < "400" or list(answer["content"]) == ["application/problem+json"], it[
                "operationId"
            ]


async def test_what_changes_something_takes_a_token_or_is_a_push_that_proves_itself(server: Running) -> None:
    for path, operations in (await described(server))["paths"].items():
        for method, it in operations.items():
            takes: list[dict[str, list[str]]] = [] if path.startswith("/api/v1/hooks/") else [{"bearer": []}]
            assert method == "get" or it.get("security", []) == takes, (method, path)


@pytest.mark.skipif(
    shutil.which("schemathesis", path=Path(sys.executable).parent) is None, reason="needs schemathesis"
)
async def test_no_request_brings_an_answer_that_is_not_described(tmp_path: Path, database_url: str) -> None:
    patience = SchedulerSettings(claim_wait=0.05)
    async with (
        local_aur(tmp_path / "aur") as aur,
        running(
            tmp_path,
            scheduling=patience,
            sourcing=SourcesSettings(aur=aur.url),
            database_url=database_url,
        ) as server,
    ):
        await server.ready_builds("alpha", "beta")
        command = [
            *("run", f"{server.url}/openapi.json", "--header", f"Authorization: Bearer {server.token}"),
            *(
                "--checks",
                ",".join(_CHECKS),
                "--phases",
                "examples,coverage,fuzzing",
                "--continue-on-failure",
            ),
            *(
                "--max-examples",
                os.environ.get("SCHEMA_EXAMPLES", "5"),
                "--seed",
                "1",
                "--generation-database",
                "none",
            ),
            *("--request-timeout", "10", "--warnings", "off", "--no-color", "--no-shrink"),
        ]
        for operation in (*_ENDLESS, *_SUICIDAL, *_ELSEWHERE):
            command += ["--exclude-operation-id", operation]
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).parent / "schemathesis"), *command, cwd=tmp_path,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said = (await process.communicate())[0].decode()
    assert process.returncode == 0, said
