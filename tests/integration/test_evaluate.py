"""PKGBUILDs evaluated by the real makepkg in the real sandbox, the hostile ones above all."""

import asyncio
import io
import os
import re
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from quarters.formats.pacman import Pacman
from quarters.model.errors import RecipeInvalid
from quarters.sources.evaluate import Evaluator, SandboxUnusable

GOOD = "pkgname=thing\npkgver=1\npkgrel=1\narch=(any)\npackage() {\n  :\n}\n"


def packed(pkgbuild: str, **others: str) -> bytes:
    """A recipe's folder as a source hands it out."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, text in {"PKGBUILD": pkgbuild, **others}.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return out.getvalue()


async def evaluate(pkgbuild: str, *, timeout: float = 60, **others: str) -> str:
    async def archive() -> bytes:
        return packed(pkgbuild, **others)

    return await Evaluator(timeout, 2).srcinfo(archive)


async def refused(pkgbuild: str, *, timeout: float = 60) -> str:
    with pytest.raises(RecipeInvalid) as caught:
        await evaluate(pkgbuild, timeout=timeout)
    return str(caught.value)


def processes_that_mention(mark: str) -> list[str]:
    """Command lines on this machine that hold `mark`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if mark in line:
            found.append(line)
    return found


async def gone(mark: str) -> None:
    """Wait until the kernel has killed the last process of a sandbox that ended, which takes it a moment."""
    async with asyncio.timeout(10):
        while processes_that_mention(mark):  # noqa: ASYNC110 - the kernel tells nobody
            await asyncio.sleep(0.01)


async def test_a_recipe_may_be_worked_out_by_bash_and_read_its_own_files() -> None:
    text = await evaluate(GOOD + "pkgver=$(<VERSION)\nfor n in a b; do depends+=(lib$n); done\n", VERSION="7")
    recipe = Pacman().parse_recipe(text)
    assert recipe.version == "7-1"
    assert [str(need.dependency) for need in recipe.needs] == ["liba", "libb"]


async def test_what_a_recipe_prints_does_not_count_as_metadata() -> None:
    text = await evaluate("echo hello\necho 'pkgbase: x'\ntrap 'echo done cleaning' EXIT\n" + GOOD)
    assert text.startswith("pkgbase = thing\n")
    assert text.endswith("\npkgname = thing\n")


async def test_a_syntax_error_names_its_line() -> None:
    assert await refused(GOOD + "if then\n") == (
        "PKGBUILD, line 8: syntax error near unexpected token `then'."
    )


async def test_what_makepkg_refuses_is_said_in_its_words() -> None:
    assert await refused(GOOD.replace("pkgver=1", "pkgver=1-2")) == (
        "makepkg refuses the PKGBUILD: "
        "pkgver is not allowed to contain colons, forward slashes, hyphens or whitespace."
    )


@pytest.mark.parametrize(
    "where", ["/etc/witness", "/usr/witness", "/witness", "/dev/witness", "/dev/shm/witness"]
)
async def test_a_recipe_cannot_write_outside(where: str) -> None:
    message = await refused(GOOD + f"touch {where}\n")
    assert message.endswith("A recipe may write nowhere while it is evaluated.")
    assert not Path(where).exists()


async def test_what_a_recipe_writes_where_it_may_is_gone_afterwards() -> None:
    mark = f"quarters-witness-{os.getpid()}"
    await evaluate(GOOD + f"touch ~/{mark} /tmp/{mark} || exit 1\n")
    assert not (Path("/tmp") / mark).exists()
    assert not (Path.home() / mark).exists()


async def test_a_recipe_cannot_see_the_machine(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    message = await refused(
        GOOD + f"test ! -e {tmp_path} && test ! -e /etc/shadow && test ! -e /root && exit 3\n"
    )
    assert "exit code 3" in message


async def test_a_recipe_does_not_see_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUARTERS_TOKEN", "very-secret")
    assert "exit code 3" in await refused(GOOD + 'test -z "$QUARTERS_TOKEN" && exit 3\n')


async def test_a_recipe_has_no_rights_even_if_the_server_is_root() -> None:
    message = await refused(
        GOOD + "[[ $(id -u) = 65534 && $(grep CapEff /proc/self/status) = *0000000000000000 ]] && exit 3\n"
    )
    assert "exit code 3" in message


@pytest.fixture
async def listener() -> AsyncIterator[tuple[int, list[str]]]:
    """A port on this machine's loopback, and who came."""
    visitors: list[str] = []

    def visited(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visitors.append("somebody")
        writer.close()

    server = await asyncio.start_server(visited, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], visitors


async def test_a_recipe_reaches_no_network(listener: tuple[int, list[str]]) -> None:
    port, visitors = listener
    message = await refused(GOOD + f"exec 3<>/dev/tcp/127.0.0.1/{port}\n")
    assert message.endswith("A recipe is evaluated without network.")
    assert visitors == []
    # The listener does listen.
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("endless", ["while :; do :; done", "sleep 987654", "trap '' TERM INT; sleep 987654"])
async def test_a_recipe_that_never_ends_is_stopped_and_leaves_no_process(endless: str) -> None:
    assert await refused(GOOD + endless + "\n", timeout=1) == (
        "The PKGBUILD did not end: it was stopped after 1 seconds."
    )
    await gone("sleep 987654")


async def test_what_a_recipe_starts_in_the_background_does_not_outlive_it() -> None:
    await evaluate(GOOD + "(setsid sleep 876543 >/dev/null 2>&1 &)\n")
    await gone("sleep 876543")


async def test_a_fork_bomb_is_bounded_and_leaves_no_process() -> None:
    assert "did not end" in await refused(GOOD + ":() { : | : & }; :\nsleep 765432\n", timeout=2)
    await gone("sleep 765432")


async def test_a_recipe_may_run_only_a_few_processes_at_once() -> None:
    start = "for ((n = 0; n < 200; n++)); do sleep 3 & done\n"
    message = await refused(GOOD + start + "echo running $(jobs -pr | wc -l) >&2\nexit 3\n")
    # Where a fork fails for good, bash ends before it has counted.
    running = re.search(r"running (\d+)", message)
    assert int(running[1]) < 64 if running else "fork" in message


@pytest.mark.parametrize(("stream", "limit"), [("1", "1024"), ("2", "64")])
async def test_a_recipe_that_prints_endlessly_is_stopped(stream: str, limit: str) -> None:
    assert await refused(GOOD + f"yes >&{stream}\n") == (
        f"The PKGBUILD printed more than {limit} KiB while it was evaluated."
    )


async def test_a_recipe_cannot_fill_the_disk_or_the_memory() -> None:
    message = await refused(GOOD + "for n in 1 2 3 4; do head -c 60M /dev/zero >/tmp/$n || exit 3; done\n")
    assert "exit code 3" in message


async def test_a_recipe_that_ends_makepkg_early_has_no_metadata() -> None:
    assert await evaluate(GOOD + "exit 0\n") == ""


async def test_a_huge_folder_is_not_evaluated() -> None:
    async def archive() -> bytes:
        return bytes(65 << 20)

    with pytest.raises(RecipeInvalid, match="65 MiB"):
        await Evaluator(5, 1).srcinfo(archive)


async def test_without_bubblewrap_it_is_said_how_to_mend_that(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxUnusable, match=r"not installed; install it, or commit a \.SRCINFO"):
        await evaluate(GOOD)


async def test_where_the_kernel_allows_no_sandbox_it_is_said_how_to_mend_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with TemporaryDirectory() as name:
        # Everybody, so nobody too, may run what stands in for a bubblewrap that is not allowed to do anything.
        Path(name).chmod(0o755)
        refusing = Path(name) / "bwrap"
        refusing.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
        refusing.chmod(0o755)
        monkeypatch.setenv("PATH", name)
        with pytest.raises(
            SandboxUnusable, match=r"\(No permissions to create new namespace\); allow user names"
        ):
            await evaluate(GOOD)


async def test_no_more_recipes_are_evaluated_side_by_side_than_allowed() -> None:
    evaluator = Evaluator(60, 2)
    at_once, most = 0, 0

    async def archive() -> bytes:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        return packed("exit 0\n")

    async def one() -> None:
        nonlocal at_once
        await evaluator.srcinfo(archive)
        at_once -= 1

    await asyncio.gather(*(one() for _ in range(6)))
    assert most == 2


HOOKED = {
    ".CI/prepare": "pacman -Sy nothing\n$CAUR_PUSH 'echo pushed'\nsed -i 's/^pkgname=thing/&-v3/' PKGBUILD\nexit 123\n",
    ".CI/interfere.patch": "--- a/PKGBUILD\n+++ b/PKGBUILD\n@@ -2 +2 @@\n-pkgver=1\n+pkgver=2\n",
    ".CI/PKGBUILD.prepend": "_more=(one two)\n",
    ".CI/PKGBUILD.append": 'depends=("${_more[@]}")\n',
}


async def test_a_recipe_is_read_as_its_hooks_leave_it() -> None:
    async def archive() -> bytes:
        return packed(GOOD, **HOOKED)

    recipe = Pacman().parse_recipe(await Evaluator(60, 2).srcinfo(archive, hooks=True))
    assert (recipe.pkgbase, recipe.version) == ("thing-v3", "2-1")
    assert [str(need.dependency) for need in recipe.needs] == ["one", "two"]
    assert Pacman().parse_recipe(await Evaluator(60, 2).srcinfo(archive)).pkgbase == "thing"


async def test_a_native_hook_takes_the_place_of_the_one_of_its_name() -> None:
    async def archive() -> bytes:
        others = {".CI/PKGBUILD.append": "pkgname=one\n", ".quarters/PKGBUILD.append": "pkgname=two\n"}
        return packed(GOOD, **others)

    printed = await Evaluator(60, 2).srcinfo(archive, hooks=True)
    assert Pacman().parse_recipe(printed).pkgbase == "two"
