"""Somebody at a terminal."""

import asyncio
import json
import os
import subprocess
import sys
from typing import Any

from tests.serving import Running


class Person:
    """Types commands of one noun."""

    def __init__(self, server: Running, noun: str = "repo") -> None:
        self._noun = noun
        self._environ = {**os.environ, "QUARTERS_URL": server.url, "QUARTERS_TOKEN": server.token}

    async def run(self, *arguments: str, code: int = 0) -> str:
        """What a command says, which ends with `code`."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "quarters.cli", self._noun, *arguments,
            env=self._environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await process.communicate()
        assert process.returncode == code, said.decode()
        return said.decode()

    async def json(self, *arguments: str, code: int = 0) -> Any:
        """What a command says to machines."""
        return json.loads(await self.run(*arguments, "--json", code=code))
