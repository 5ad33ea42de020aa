"""Processes that cannot start say why in one sentence, and do no harm to those that run."""

import asyncio
import subprocess

from tests.system.farm import PATIENCE, QUARTERS, Farm, opened


async def test_a_second_server_on_the_same_data_is_refused_and_the_first_goes_on(farm: Farm) -> None:
    async with opened(farm) as client:
        token = (farm.data / "client.json").read_text()
        words = farm.run("server", "--port", "0", code=1)
        assert words.count("\n") == 1
        assert f"is already used by process {farm.serving.pid}" in words
        port = farm.url.rpartition(":")[2]
        words = farm.run("server", "--port", port, "--data", str(farm.folder / "other"), code=1)
        assert words.count("\n") == 1
        assert f"already listens on 127.0.0.1:{port}" in words
        assert (farm.data / "client.json").read_text() == token
        await client.ready()


async def test_a_second_builder_on_the_same_data_is_refused(farm: Farm) -> None:
    async with opened(farm) as client:
        await farm.builder("anvil")
        async with asyncio.timeout(PATIENCE):
            while not (await client.builders.list()).items:
                pass  # each question takes a moment
        data = farm.builder_data("anvil")
        token = farm.folder / "anvil.token"
        words = farm.run(
            "builder", "--server", farm.url, "--data", str(data), "--token-file", str(token), code=1
        )
        assert words.count("\n") == 1
        assert f"Another builder already uses {data}." in words


def test_a_data_folder_on_a_disk_that_cannot_be_written_is_said(farm: Farm) -> None:
    farm.data.mkdir()
    command = " ".join([*QUARTERS, "server", "--port", "0"])
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-euc", f"mount -t tmpfs -o ro tmpfs {farm.data}; exec {command}"],
        capture_output=True, text=True, check=False, env=farm.environ, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert f"The data folder {farm.data} cannot be written (Read-only file system)" in done.stderr
