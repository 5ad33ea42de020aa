"""Hooks, settings and caches of recipes with the real sandbox, bwrap, makepkg and pacman."""

import asyncio
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from quarters.model.build import Outcome, Reason, Step
from quarters.protocol.builds import Finish
from tests.integration.library import Signer, Web, own, package_info, published
from tests.integration.library import signer as signer
from tests.integration.library import web as web
from tests.integration.recorder import Recorder, assignment, built, pkgbuild, running, step_codes

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("bwrap", "makepkg", "pacman"))),
    reason="the sandbox needs root, bubblewrap and pacman",
)


def recipe(functions: str = "", *, head: str = "", **hooks: str) -> dict[str, str]:
    """A recipe with hooks by their names, `_` for what no identifier may hold."""
    names = {"patch": "interfere.patch", "on_success": "on-success.sh", "on_failure": "on-failure.sh"}
    names |= {"prepend": "PKGBUILD.prepend", "append": "PKGBUILD.append"}
    return pkgbuild(functions, head=head) | {
        f".CI/{names.get(name, name)}": text for name, text in hooks.items()
    }


def info(server: Recorder) -> str:
    """The .PKGINFO of the one package that was built."""
    (package,) = server.artifacts.values()
    return package_info(package)


# Fits only what the hook `prepare` left.
PATCH = """\
--- a/PKGBUILD
+++ b/PKGBUILD
@@ -1,5 +1,5 @@
 pkgname=thing
 pkgver=1.1
 pkgrel=1
-pkgdesc='A thing'
+pkgdesc='A patched thing'
 arch=(any)
"""


async def test_hooks_change_the_builds_own_recipe_in_their_order(tmp_path: Path) -> None:
    files = recipe(
        'build() { echo "said: $FROM_PREPARE, $_early"; cat /opt/left; }',
        prepare="export FROM_PREPARE='two words'\n$CAUR_PUSH 'echo \"made by $(id -u)\" >/opt/left'\n"
        "sed -i 's/^pkgver=.*/pkgver=1.1/' PKGBUILD\n",
        patch=PATCH,
        prepend="_early='set before'",
        append="pkgdesc+=', twice'",
    )
    finish, server = await built(tmp_path / "data", files, bump=2)
    log = server.log(1)
    assert finish.outcome is Outcome.BUILT, log
    assert finish.version == "1.1-1.2"
    assert "\nsaid: two words, set before\nmade by 0\n" in log
    assert "pkgdesc = A patched thing, twice\n" in info(server)
    assert step_codes(finish)[Step.HOOKS] == 0
    order = [
        "source .CI/prepare",
        "patch -Np1 -i .CI/interfere.patch",
        "amend PKGBUILD",
        "makepkg --printsrcinfo",
    ]
    places = [log.index(f"[quarters] $ {command}\n") for command in order]
    assert places == sorted(places)
    assert "[quarters] hook .CI/prepare started " in log
    assert (
        "[quarters] Applied: .CI/prepare, .CI/interfere.patch, .CI/PKGBUILD.prepend, .CI/PKGBUILD.append, "
        "pkgrel raised by 0.2.\n"
    ) in log


async def test_hooks_of_the_native_folder_go_before_those_of_the_other(tmp_path: Path) -> None:
    files = recipe("build() { echo $_from; }", prepend="_from=theirs", append="pkgdesc=theirs")
    files[".quarters/PKGBUILD.prepend"] = "_from=ours"
    finish, server = await built(tmp_path / "data", files)
    assert finish.outcome is Outcome.BUILT, server.log(1)
    assert "\nours\n" in server.log(1)
    assert "pkgdesc = theirs\n" in info(server)


@pytest.mark.parametrize(
    ("hooks", "reason", "step", "message"),
    [
        ({"patch": "--- a/PKGBUILD\n+++ b/PKGBUILD\n@@ -1 +1 @@\n-x\n+y\n"}, Reason.PATCH_FAILED, Step.HOOKS,
         ".CI/interfere.patch does not apply."),
        ({"prepare": "echo no >&2; exit 5"}, Reason.HOOK_FAILED, Step.HOOKS, ".CI/prepare ended with the exit code 5."),
        ({"on_success": "false"}, Reason.HOOK_FAILED, Step.HOOKS, ".CI/on-success.sh ended with the exit code 1."),
        ({"append": "pkgver="}, Reason.RECIPE_INVALID, Step.HOOKS,
         "makepkg does not accept the recipe as its hooks left it."),
    ],
)  # fmt: skip
async def test_a_hook_that_fails_is_named(
    tmp_path: Path, hooks: Mapping[str, str], reason: Reason, step: Step, message: str
) -> None:
    finish, server = await built(tmp_path / "data", recipe(**hooks))
    assert (finish.outcome, finish.reason, finish.message) == (Outcome.FAILED, reason, message), server.log(1)
    assert finish.steps[-1].step is step
    assert finish.command is not None
    assert not server.artifacts


async def test_a_prepare_hook_may_say_that_nothing_is_to_be_built(tmp_path: Path) -> None:
    finish, server = await built(tmp_path / "data", recipe(prepare="exit 123"))
    assert finish.outcome is Outcome.SKIPPED, server.log(1)
    assert finish.message == ".CI/prepare says that nothing is to be built."
    finish, server = await built(tmp_path / "data", recipe(prepare="return 7"), skip_code=7)
    assert finish.outcome is Outcome.SKIPPED, server.log(1)


async def test_hooks_hear_how_a_build_ended(tmp_path: Path) -> None:
    after = {"on_success": "echo well done >&2", "on_failure": 'echo "sorry for $STEP, $REASON"; exit 3'}
    finish, server = await built(tmp_path / "data", recipe(**after))
    assert finish.outcome is Outcome.BUILT, server.log(1)
    assert "\nwell done\n" in server.log(1)
    assert "sorry" not in server.log(1)
    finish, server = await built(tmp_path / "data", recipe("build() { false; }", **after))
    assert (finish.reason, finish.steps[-1].step, finish.exit_code) == (Reason.BUILD_FAILED, Step.BUILD, 4)
    assert "\nsorry for build, build_failed\n" in server.log(1)
    assert "[quarters] .CI/on-failure.sh ended with the exit code 3.\n" in server.log(1)
    assert "well done" not in server.log(1)


async def test_hooks_may_add_dependencies_and_install_some_and_leave_nothing_for_other_builds(
    tmp_path: Path, web: Web, signer: Signer
) -> None:
    await published(tmp_path, web, signer)
    there: dict[str, Any] = {"repositories": own(signer.public), "builder": {"server": web.url}}
    reading = "build() { cat /usr/share/thing/it; }"
    folder = "/var/cache/pacman/pkg"
    left = f"mkdir -p {folder}; touch {folder}/other-1-1-any.pkg.tar.zst; touch /var/cache/quarters/x || true"
    for hooks in (
        {"prepare": "pacman -S --noconfirm lib"},
        {"prepare": left, "append": "makedepends=(libthing)"},
    ):
        finish, server = await built(tmp_path / "data", recipe(reading, **hooks), **there)
        assert finish.outcome is Outcome.BUILT, server.log(1)
        assert "\nthing\n" in server.log(1)
    cached = {path.name for path in (tmp_path / "data/cache/packages").iterdir()}
    assert cached <= {"lib-1.0-1-any.pkg.tar.zst", "lib-1.0-1-any.pkg.tar.zst.sig"}
    finish, server = await built(tmp_path / "data", recipe(append="makedepends=(no-such)"), **there)
    assert (finish.reason, finish.missing) == (Reason.DEPENDENCY_MISSING, "no-such"), server.log(1)


async def test_replaces_and_groups_are_kept_or_left_out_as_the_recipe_is_configured(tmp_path: Path) -> None:
    head = "groups=(everything)\nreplaces=(old)\nreplaces_x86_64=(older)\narch=(x86_64)"
    package = "package() { groups+=(more); replaces+=(another); pkgdesc='of a function'; }"
    for keep in (True, False):
        files = pkgbuild(f"pkgver() {{ echo 1.1; }}\n{package}", head=head)
        finish, server = await built(tmp_path / "data", files, keep_replaces=keep)
        assert finish.outcome is Outcome.BUILT, server.log(1)
        for line in ("group = everything\n", "group = more\n", "replaces = old\n", "replaces = older\n"):
            assert (line in info(server)) is keep
        assert "pkgdesc = of a function\n" in info(server)


async def test_nothing_is_built_where_pkgver_says_what_is_published(tmp_path: Path) -> None:
    files = pkgbuild("pkgver() { echo 2.5; }\nbuild() { echo compiled; }")
    known: dict[str, Any] = {"dynamic_version": True, "published": "2.5-1"}
    finish, server = await built(tmp_path / "data", files, **known)
    assert (finish.outcome, finish.version) == (Outcome.SKIPPED, "2.5-1"), server.log(1)
    assert "compiled" not in server.log(1)
    finish, server = await built(tmp_path / "data", files, bump=1, **known)
    assert (finish.outcome, finish.version) == (Outcome.BUILT, "2.5-1.1"), server.log(1)
    assert server.log(1).count("\ncompiled\n") == 1


async def test_sources_are_kept_for_the_package_alone(tmp_path: Path, web: Web) -> None:
    (web.folder / "remote.txt").write_text("from afar\n")
    files = pkgbuild(
        "build() { cat remote.txt; ls /sources; echo mine >/sources/left; }",
        head=f"source=({web.url}/remote.txt) sha256sums=(SKIP)",
    )
    data = tmp_path / "data"
    how: dict[str, Any] = {"remote_sources": True, "cache_sources": True, "builder": {"first_uid": 64000}}
    for source, asked, left in (("a", 1, False), ("a", 1, True), ("b", 2, False)):
        how["builder"] = {"first_uid": how["builder"]["first_uid"] + 1}
        finish, server = await built(data, files, source=source, **how)
        assert finish.outcome is Outcome.BUILT, server.log(1)
        assert len(web.asked) == asked
        assert ("\nleft\n" in server.log(1)) is left
    assert sorted(path.name for path in (data / "cache/sources").iterdir()) == ["a+thing", "b+thing"]


async def test_a_cache_that_grew_too_large_or_was_not_used_for_a_month_is_removed(tmp_path: Path) -> None:
    data, kept = tmp_path / "data", tmp_path / "data/cache/sources"
    for old in ("b+thing", "c+thing/old"):
        (kept / old).mkdir(parents=True)
    (kept / "c+thing/new").touch()
    for old in ("b+thing", "c+thing/old"):
        os.utime(kept / old, (1_000_000, 1_000_000))
    finish, server = await built(data, pkgbuild(), cache_sources=True, source="c")
    assert finish.outcome is Outcome.BUILT, server.log(1)
    assert [path.relative_to(kept).as_posix() for path in kept.glob("*/*")] == ["c+thing/new"]
    deep = """build() { perl -e 'chdir "/sources"; for (1 .. 3000) { mkdir "d"; chdir "d" }'; }"""
    for functions, builder, reason, left in (
        (deep, {"cache_limit": 1_000_000}, None, False),
        ("build() { head -c 3000000 /dev/urandom >/sources/big; }", {"cache_limit": 1_000_000}, None, False),
        ("build() { cat /dev/zero >/sources/big; }", {"slot_disk": 30_000_000}, Reason.DISK_FULL, True),
    ):
        finish, server = await built(
            data, pkgbuild(functions), cache_sources=True, source="a", builder=builder
        )
        assert finish.reason is reason, server.log(1)
        assert (kept / "a+thing").exists() is left


async def test_two_builds_of_a_package_at_once_do_not_share_its_cache(tmp_path: Path) -> None:
    server = Recorder()
    for build in (1, 2):
        files = pkgbuild("build() { echo x >/sources/$RANDOM; sleep 2; }", head=f"pkgver={build}")
        server.assign(assignment(build, cache_sources=True, source="a"), files)
    async with asyncio.timeout(60), running(server, tmp_path / "data", slots=2):
        ended: list[Finish] = [await server.until_finished(build) for build in (1, 2)]
    assert [finish.outcome for finish in ended] == [Outcome.BUILT] * 2
    assert len(list((tmp_path / "data/cache/sources/a+thing").iterdir())) == 1


async def test_symbols_get_a_package_of_their_own_where_the_recipe_or_its_options_want_that(
    tmp_path: Path,
) -> None:
    program = 'echo "int main(void) { return 0; }" >a.c; gcc -g -o a a.c'
    functions = f'build() {{ {program}; }}\npackage() {{ install -Dm755 a "$pkgdir/usr/bin/thing"; }}'
    for debug, head in ((True, ""), (False, "options=(debug)")):
        files = pkgbuild(functions, head=f"arch=(x86_64)\n{head}")
        finish, server = await built(tmp_path / "data", files, debug=debug)
        assert finish.outcome is Outcome.BUILT, server.log(1)
        assert {artifact.file_name for artifact in finish.artifacts} == {
            "thing-1.0-1-x86_64.pkg.tar.zst",
            "thing-debug-1.0-1-x86_64.pkg.tar.zst",
        }


async def test_packages_that_a_name_asks_for_are_installed_where_they_lack(
    tmp_path: Path, web: Web, signer: Signer
) -> None:
    finish, server = await built(tmp_path / "data", pkgbuild(name="thing-git"), outputs=("thing-git",))
    assert finish.outcome is Outcome.BUILT, server.log(1)
    assert "$ pacman" not in server.log(1)
    await published(tmp_path, web, signer)
    finish, server = await built(
        tmp_path / "data",
        pkgbuild(name="thing-bzr"),
        outputs=("thing-bzr",),
        repositories=own(signer.public),
        builder={"server": web.url},
    )
    assert (finish.reason, finish.missing) == (Reason.DEPENDENCY_MISSING, "breezy"), server.log(1)


async def test_a_root_that_a_hook_gets_cannot_speak_to_the_machines_own_sockets(tmp_path: Path) -> None:
    speak = "import socket as s; s.socket(s.AF_INET).close(); s.socketpair(); s.socket(s.AF_UNIX)"
    finish, server = await built(tmp_path / "data", recipe(prepare=f'python3 -c "{speak}" && exit 9; true'))
    assert finish.outcome is Outcome.BUILT, server.log(1)
    assert "PermissionError" in server.log(1)


@pytest.mark.skipif(shutil.which("ccache") is None, reason="ccache is not installed")
async def test_compilers_find_what_they_made_before(tmp_path: Path) -> None:
    program = 'echo "int main(void) { return 0; }" >a.c; gcc -c a.c'
    files = pkgbuild(f"build() {{ {program}; ccache -s; }}")
    for hits in (0, 1):
        finish, server = await built(tmp_path / "data", files, ccache=True, source="a")
        assert finish.outcome is Outcome.BUILT, server.log(1)
        assert f"Hits: {hits} " in " ".join(server.log(1).split())
