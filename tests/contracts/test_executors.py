"""One suite for every executor, with the real makepkg and pacman: a build ends alike, whatever isolates it."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quarters.model.build import Outcome, Reason, Step
from quarters.model.repository import Network
from tests.contracts.machines import Machine
from tests.contracts.machines import archive as archive
from tests.contracts.machines import docker as docker
from tests.contracts.machines import machine as machine
from tests.contracts.machines import podman as podman
from tests.inhabitants import WAITING
from tests.integration.library import Signer, Web, own, package_info, published, run
from tests.integration.library import signer as signer
from tests.integration.library import web as web
from tests.integration.recorder import TOKEN, Recorder, assignment, pkgbuild, step_codes

# Of what Podman could do in its own way: containers made of one another, volumes that they share, ends by force.
everywhere = pytest.mark.parametrize("machine", ["sandbox", "docker", "podman"], indirect=True)

NO_SUCH_PLACE = "http://127.0.0.1:9/thing.txt"


@pytest.fixture
def listener() -> Iterator[int]:
    """A port of this machine that answers whoever reaches it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


async def test_a_build_is_nobody_special_and_finds_nothing_of_the_machine_but_its_tools(
    machine: Machine, tmp_path: Path, listener: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_MACHINE", "visible")
    recipe = pkgbuild(
        f"""build() {{
          echo "user=$(id -u) name=$(id -un)"
          echo "capabilities=$(grep CapEff /proc/self/status | cut -f2)"
          touch /etc/mine 2>/dev/null && echo "wrote /etc" || true
          touch /usr/mine 2>/dev/null && echo "wrote /usr" || true
          echo x 2>/dev/null >/proc/sys/kernel/hostname && echo "wrote /proc" || true
          [[ -e /etc/shadow ]] && echo "sees shadow" || true
          [[ -e {tmp_path} ]] && echo "sees the data folder" || true
          [[ -e /root/.bashrc || -n $(ls /home) ]] && echo "sees homes" || true
          (exec 3<>/dev/tcp/127.0.0.1/{listener}) 2>/dev/null && echo "reached the network" || true
          echo "interfaces=$(ls /proc/sys/net/ipv4/conf | tr '\\n' ' ')"
          echo "processes=$(ls -d /proc/[0-9]* | wc -l)"
          echo "secret=${{SECRET_OF_THE_MACHINE-none}}"
        }}"""
    )
    finish, server = await machine.built(recipe)
    log = server.log(1)
    assert finish.outcome is Outcome.BUILT, log
    assert "user=1000 name=builder" in log
    assert "capabilities=0000000000000000" in log
    assert "secret=none" in log
    for breach in ("wrote /", "sees ", "reached the network", "eth0", TOKEN):
        assert breach not in log
    assert int(log.partition("processes=")[2].split()[0]) < 20


async def test_the_network_is_there_in_every_step_where_the_repository_allows_it(
    machine: Machine, tmp_path: Path, listener: int
) -> None:
    recipe = pkgbuild(f"build() {{ (exec 3<>/dev/tcp/127.0.0.1/{listener}) && echo reached; }}")
    finish, server = await machine.built(recipe, network=Network.ALWAYS)
    assert finish.outcome is Outcome.BUILT, server.log(1)
    assert "\nreached\n" in server.log(1)


async def test_a_finished_build_reports_its_steps_its_version_and_its_packager(
    machine: Machine, tmp_path: Path
) -> None:
    recipe = pkgbuild(
        "prepare() { :; }\nbuild() { :; }\ncheck() { echo checking; }\nPACKAGER='Somebody Else <else@example.org>'"
    )
    finish, server = await machine.built(recipe, bump=2)
    assert finish.version == "1.0-1.2"
    left_out = (Step.HOOKS, Step.DEPENDENCIES)
    assert list(step_codes(finish)) == [step for step in Step if step not in left_out]
    assert set(step_codes(finish).values()) == {0}
    for record in finish.steps:
        assert server.log(1)[record.log_offset :].startswith(f"[quarters] step {record.step} started ")
    assert "[quarters] $ makepkg --force --noconfirm\n" in server.log(1)
    info = package_info(server.artifacts["thing-1.0-1.2-any.pkg.tar.zst"])
    assert "packager = Ada Author <ada@example.org>\n" in info
    assert server.steps[1].steps[0].step is Step.ROOT


async def test_a_bump_survives_a_version_that_the_recipe_works_out_itself(
    machine: Machine, tmp_path: Path
) -> None:
    finish, server = await machine.built(pkgbuild("pkgver() { echo 2.5; }"), bump=3, checks=False)
    assert finish.version == "2.5-1.3", server.log(1)


async def test_checks_are_left_out_where_they_are_not_wanted(machine: Machine, tmp_path: Path) -> None:
    finish, server = await machine.built(pkgbuild("check() { false; }"), checks=False)
    assert finish.outcome is Outcome.BUILT, server.log(1)
    assert Step.CHECK not in step_codes(finish)


@pytest.mark.parametrize(
    ("functions", "head", "step", "code", "reason"),
    [
        ("prepare() { false; }", "", Step.PREPARE, 4, Reason.PREPARE_FAILED),
        ("prepare() { exit 7; }", "", Step.PREPARE, 7, Reason.PREPARE_FAILED),
        ("build() { false; }", "", Step.BUILD, 4, Reason.BUILD_FAILED),
        ("build() { exit 0; }", "", Step.BUILD, 0, Reason.PACKAGE_FAILED),
        ("check() { false; }", "", Step.CHECK, 4, Reason.CHECK_FAILED),
        ("package() { false; }", "", Step.PACKAGE, 4, Reason.PACKAGE_FAILED),
        ("build() { (", "", Step.RECIPE, 6, Reason.RECIPE_INVALID),
        ("", "arch=(sparc)", Step.RECIPE, 12, Reason.RECIPE_INVALID),
        ("", "makedepends=(no-such-thing)", Step.DEPENDENCIES, 8, Reason.DEPENDENCY_MISSING),
        ("", "source=(PKGBUILD) sha256sums=(" + "0" * 64 + ")", Step.SOURCES, 1, Reason.CHECKSUM_MISMATCH),
        (
            "",
            f"source=({NO_SUCH_PLACE}) sha256sums=(SKIP)",
            Step.SOURCES,
            1,
            Reason.SOURCE_UNAVAILABLE,
        ),
        ("build() { echo 'cc: No space left on device'; false; }", "", Step.BUILD, 4, Reason.DISK_FULL),
        ("build() { kill -KILL $$; }", "", Step.BUILD, 137, Reason.BUILD_FAILED),
    ],
)
async def test_a_failure_says_where_what_and_why(
    machine: Machine, tmp_path: Path, functions: str, head: str, step: Step, code: int, reason: Reason
) -> None:
    remote = "http" in head
    finish, server = await machine.built(pkgbuild(functions, head=head), remote_sources=remote)
    assert finish.outcome is Outcome.FAILED, server.log(1)
    assert (finish.steps[-1].step, finish.exit_code, finish.reason) == (step, code, reason), server.log(1)
    assert finish.steps[-1].exit_code == code
    assert finish.command is not None
    assert finish.command.startswith("makepkg")
    assert finish.message.endswith(".")
    assert not server.artifacts


async def test_an_archive_that_holds_no_recipe_is_an_invalid_recipe(machine: Machine, tmp_path: Path) -> None:
    finish, _ = await machine.built({"README": "nothing\n"})
    assert (finish.reason, finish.steps[-1].step) == (Reason.RECIPE_INVALID, Step.RECIPE)


async def test_an_archive_cannot_reach_out_of_the_root(machine: Machine, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    finish, _ = await machine.built({f"..{outside}": "x", "../../../../etc/y": "x"} | pkgbuild())
    assert not outside.exists()
    assert not Path("/etc/y").exists()
    assert finish.reason is Reason.RECIPE_INVALID


async def test_a_recipe_that_makes_less_than_it_promised_has_failed(machine: Machine, tmp_path: Path) -> None:
    finish, _ = await machine.built(pkgbuild(), outputs=("thing", "thing-docs"))
    assert finish.reason is Reason.PACKAGE_FAILED
    assert finish.message == "makepkg ended without a package file of thing-docs."


async def test_sources_are_fetched_with_the_network_and_built_without(
    machine: Machine, tmp_path: Path, web: Web
) -> None:
    (web.folder / "remote.txt").write_text("from afar\n")
    recipe = pkgbuild(
        f"build() {{ cat remote.txt; (exec 3<>/dev/tcp/127.0.0.1/{web.port}) && echo 'still there' || true; }}",
        head=f"source=({web.url}/remote.txt) sha256sums=(SKIP)",
    )
    finish, server = await machine.built(recipe, remote_sources=True)
    assert finish.outcome is Outcome.BUILT, server.log(1)
    assert "\nfrom afar\n" in server.log(1)
    assert "still there" not in server.log(1)


@everywhere
async def test_dependencies_are_verified_installed_and_downloaded_once_for_all_builds(
    machine: Machine, tmp_path: Path, web: Web, signer: Signer
) -> None:
    await published(tmp_path, web, signer)
    wanted: dict[str, Any] = {"dependencies": ("libthing",), "repositories": own(signer.public)}
    recipe = pkgbuild("build() { cat /usr/share/thing/it; pacman -Q; }", head="makedepends=(libthing)")
    for _ in range(2):
        finish, server = await machine.built(recipe, builder={"server": web.url}, **wanted)
        assert finish.outcome is Outcome.BUILT, server.log(1)
        assert step_codes(finish)[Step.DEPENDENCIES] == 0
        log = server.log(1)
        assert " -Syu --asdeps " in log
        assert "\nlib 1.0-1\n" in log
        # makepkg asks pacman what is installed, and gets an answer without complaints about keys.
        assert "keyring" not in log.partition("$ makepkg")[2]
    downloads = [path for path in web.asked if path.endswith(".pkg.tar.zst")]
    assert downloads == ["/repo/lib-1.0-1-any.pkg.tar.zst"]
    assert not Path("/usr/share/thing").exists()


async def test_a_scriptlet_of_a_dependency_cannot_change_the_machine(
    machine: Machine, tmp_path: Path, web: Web, signer: Signer
) -> None:
    # Opening for appending changes nothing, also where it is allowed.
    tried = "(: >>{}) 2>/dev/null && echo 'OPEN {}' || echo SHUT"
    scriptlet = "\n".join(
        tried.format(path, path)
        for path in (
            "/proc/sys/kernel/core_pattern",
            "/proc/sys/kernel/hostname",
            "/proc/sysrq-trigger",
            "/var/cache/quarters/lib-1.0-1-any.pkg.tar.zst",
            # Engines leave these open, and to the kernel, which asks for a right that no scriptlet has.
            *(("/proc/mtrr", "/proc/self/uid_map") if machine.is_sandbox else ()),
        )
    )
    # A namespace of one's own to mount control groups in, made without any program that wants to write to /proc.
    namespace = "import ctypes as c; print('OPEN' if c.CDLL(None).unshare(0x10000000) == 0 else 'SHUT')"
    scriptlet += f'\npython3 -c "{namespace}"\nperl -e \'print "forking works\\n" if fork // 0\''
    await published(tmp_path, web, signer, scriptlet)
    wanted: dict[str, Any] = {"dependencies": ("lib",), "repositories": own(signer.public)}
    finish, server = await machine.built(pkgbuild(), builder={"server": web.url}, **wanted)
    assert finish.outcome is Outcome.BUILT, server.log(1)
    assert server.log(1).count("SHUT") == (7 if machine.is_sandbox else 5)
    assert "forking works" in server.log(1)
    assert "OPEN" not in server.log(1)


async def test_a_scriptlet_of_a_dependency_has_no_network_and_leaves_nothing_for_other_builds(
    machine: Machine, tmp_path: Path, web: Web, signer: Signer, listener: int
) -> None:
    marker = tmp_path / "outside"
    scriptlet = f"""
        bash -c ': </dev/tcp/127.0.0.1/{listener}' 2>/dev/null && echo REACHED
        for name in pkg.tar.zst pkg.tar.zst.sig; do echo evil >/var/cache/pacman/pkg/other-1-1-any.$name; done
        rm -f /etc/resolv.conf; ln -s {marker} /etc/resolv.conf"""
    await published(tmp_path, web, signer, scriptlet)
    marker.write_text("untouched")
    wanted: dict[str, Any] = {"dependencies": ("lib",), "repositories": own(signer.public)}
    recipe = pkgbuild("build() { cat /etc/resolv.conf; }")
    finish, server = await machine.built(
        recipe, builder={"server": web.url}, network=Network.ALWAYS, **wanted
    )
    assert finish.outcome is Outcome.BUILT, server.log(1)
    assert "REACHED" not in server.log(1)
    assert "untouched" not in server.log(1)
    assert await machine.cached() == [
        "lib-1.0-1-any.pkg.tar.zst",
        "lib-1.0-1-any.pkg.tar.zst.sig",
    ]
    assert marker.read_text() == "untouched"


async def test_a_package_that_a_stranger_signed_is_not_installed(
    machine: Machine, tmp_path: Path, web: Web, signer: Signer
) -> None:
    await published(tmp_path, web, signer)
    stranger = Signer(tmp_path / "stranger")
    wanted: dict[str, Any] = {"dependencies": ("lib",), "repositories": own(stranger.public)}
    stranger.close()
    finish, server = await machine.built(pkgbuild(), builder={"server": web.url}, **wanted)
    assert (finish.reason, finish.steps[-1].step) == (Reason.SIGNATURE_UNTRUSTED, Step.DEPENDENCIES), (
        server.log(1)
    )
    assert finish.message == "The signature of own is not by a trusted key."


async def test_another_package_under_a_cached_name_is_downloaded_again(
    machine: Machine, tmp_path: Path, web: Web, signer: Signer
) -> None:
    await published(tmp_path, web, signer)
    await machine.cache("lib-1.0-1-any.pkg.tar.zst", b"of another repository")
    wanted: dict[str, Any] = {"dependencies": ("lib",), "repositories": own("", "Never")}
    finish, server = await machine.built(pkgbuild(), builder={"server": web.url}, **wanted)
    assert finish.outcome is Outcome.BUILT, server.log(1)
    assert len(await machine.cached_file("lib-1.0-1-any.pkg.tar.zst")) > 100


async def test_what_no_repository_has_and_a_repository_that_is_away_are_told_apart(
    machine: Machine, tmp_path: Path, web: Web
) -> None:
    (web.folder / "repo").mkdir()
    run("bsdtar", "-czf", str(web.folder / "repo" / "own.db"), "--files-from", "/dev/null")
    for url, reason in (
        (web.url, Reason.DEPENDENCY_MISSING),
        ("http://127.0.0.1:9", Reason.SOURCE_UNAVAILABLE),
    ):
        finish, server = await machine.built(
            pkgbuild(),
            builder={"server": url},
            dependencies=("no-such-thing",),
            repositories=own("", "Never"),
        )
        assert (finish.reason, finish.exit_code) == (reason, 1), server.log(1)
        assert finish.steps[-1].step is Step.DEPENDENCIES


@everywhere
async def test_sources_are_fetched_with_dependencies_in_place_and_built_without_the_network(
    machine: Machine, tmp_path: Path, web: Web, signer: Signer
) -> None:
    await published(tmp_path, web, signer)
    (web.folder / "remote.txt").write_text("from afar\n")
    recipe = pkgbuild(
        f"""build() {{
          cat remote.txt /usr/share/thing/it
          (exec 3<>/dev/tcp/127.0.0.1/{web.port}) 2>/dev/null && echo 'still there' || true
        }}""",
        head=f"source=({web.url}/remote.txt) sha256sums=(SKIP)",
    )
    finish, server = await machine.built(
        recipe,
        builder={"server": web.url},
        remote_sources=True,
        dependencies=("lib",),
        repositories=own(signer.public),
    )
    assert finish.outcome is Outcome.BUILT, server.log(1)
    assert "\nfrom afar\nthing\n" in server.log(1)
    assert "still there" not in server.log(1)


@everywhere
async def test_a_hook_changes_the_root_that_the_build_sees_and_nothing_else(machine: Machine) -> None:
    recipe = pkgbuild('build() { cat /opt/left; touch /opt/mine 2>/dev/null || echo "no rights"; }')
    hook = {".CI/prepare": 'echo "made by $(id -u)" >/opt/left\n'}
    finish, server = await machine.built(recipe | hook)
    assert finish.outcome is Outcome.BUILT, server.log(1)
    assert "\nmade by 0\nno rights\n" in server.log(1)
    finish, server = await machine.built(pkgbuild("build() { [[ ! -e /opt/left ]]; }"))
    assert finish.outcome is Outcome.BUILT, server.log(1)


async def test_every_package_of_a_split_recipe_is_uploaded(machine: Machine) -> None:
    head = "pkgbase=thing\npkgname=(thing thing-docs)"
    functions = "package_thing() { :; }\npackage_thing-docs() { :; }"
    files = {"PKGBUILD": pkgbuild(functions, head=head)["PKGBUILD"].replace("package() ", "unused() ")}
    finish, server = await machine.built(files, outputs=("thing", "thing-docs"))
    assert finish.outcome is Outcome.BUILT, server.log(1)
    assert sorted(server.artifacts) == ["thing-1.0-1-any.pkg.tar.zst", "thing-docs-1.0-1-any.pkg.tar.zst"]


async def test_what_a_build_leaves_running_does_not_keep_it_from_ending(machine: Machine) -> None:
    recipe = pkgbuild("build() { setsid sleep 1000003 & disown; echo started; }")
    finish, server = await machine.built(recipe)
    assert finish.outcome is Outcome.BUILT, server.log(1)


@everywhere
async def test_a_cancelled_build_is_gone_and_the_next_one_is_built(machine: Machine) -> None:
    server = Recorder()
    server.assign(assignment(1, heartbeat=0.1), pkgbuild(WAITING))
    async with asyncio.timeout(60), machine.running(server):
        # What is printed arrives while the build goes on.
        await server.until_logged(1, "\nwaiting\n")
        server.cancelled.add(1)
        server.assign(assignment(2), pkgbuild())
        assert (await server.until_finished(2)).outcome is Outcome.BUILT
    assert 1 not in server.finished


async def test_a_build_whose_time_is_over_is_ended(machine: Machine) -> None:
    finish, _ = await machine.built(pkgbuild(WAITING), timeout=5)
    assert finish.outcome is Outcome.TIMED_OUT


@pytest.mark.parametrize(
    ("setting", "hog", "reason"),
    [
        (
            {"slot_memory": 80 << 20},
            """perl -e '$x = "x" x 400_000_000; sleep 60'""",
            Reason.OUT_OF_MEMORY,
        ),
        ({"slot_disk": 40 << 20}, "head -c 90000000 /dev/urandom >big; sleep 60", Reason.DISK_FULL),
        ({"log_limit": 100_000}, "yes", Reason.LOG_TOO_LARGE),
    ],
)
async def test_a_build_that_passes_a_limit_is_ended_with_that_reason(
    machine: Machine, setting: dict[str, int], hog: str, reason: Reason
) -> None:
    finish, server = await machine.built(pkgbuild(f"build() {{ {hog}; }}"), builder=setting)
    assert (finish.reason, finish.steps[-1].step) == (reason, Step.BUILD), server.log(1)
