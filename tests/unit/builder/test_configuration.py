"""What pacman and makepkg are told, and what a root is made of."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from quarters.builder import amendments, dependencies, makepkg
from quarters.builder.bubblewrap import Layer
from quarters.builder.hooks import Hooks
from quarters.builder.roots import HostRoot, with_build_user
from quarters.model.repository import Network, Profile
from quarters.protocol.builds import Assignment, PackageRepository


def assignment(**changes: Any) -> Assignment:
    """An assignment that says as little as it can."""
    fields: dict[str, Any] = {
        "build": 1,
        "attempt": 1,
        "lease": "x",
        "heartbeat": 5.0,
        "repository": "main",
        "arch": "aarch64",
        "pkgbase": "a",
        "version": "1-1",
        "outputs": ("a",),
        "dynamic_version": False,
        "dependencies": ("b>=1",),
        "remote_sources": True,
        "repositories": (),
        "packager": "O'Hara <o@example.org>",
    }
    return Assignment(**(fields | changes))


def test_repositories_of_the_quarters_server_are_reached_where_it_is() -> None:
    repositories = (
        PackageRepository(name="main", server="/repo/main/$arch", sig_level="Required"),
        PackageRepository(
            name="core", server="https://example.org/$repo/$arch", sig_level="Optional TrustAll"
        ),
    )
    text = dependencies.configuration(assignment(repositories=repositories), "https://quarters.example/")
    assert "[main]\nSigLevel = Required\nServer = https://quarters.example/repo/main/$arch\n" in text
    assert "[core]\nSigLevel = Optional TrustAll\nServer = https://example.org/$repo/$arch\n" in text
    assert "Architecture = aarch64\n" in text
    assert "CheckSpace" not in text


def test_what_a_repository_adds_to_pacmans_configuration_comes_last() -> None:
    part = "IgnorePkg = linux\n[multilib]\nServer = https://example.org/$repo\n"
    mine = PackageRepository(name="main", server="/repo/main", sig_level="Required")
    text = dependencies.configuration(assignment(repositories=(mine,), pacman_conf=part), "http://q")
    assert text.endswith(f"Server = http://q/repo/main\n\n[options]\n{part}")


def told(variables: str, tmp_path: Path, **changes: Any) -> str:
    """Those variables as makepkg finds them."""
    file = tmp_path / "makepkg.conf"
    file.write_text(makepkg.configuration(1, assignment(**changes)))
    script = f"CFLAGS=-O2 LDFLAGS= OPTIONS=(); source {file}; echo {variables}"
    shown = subprocess.run(
        ["bash", "-euc", script],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return shown.stdout.strip()


def test_a_profile_adds_flags_and_the_repositorys_own_lines_have_the_last_word(tmp_path: Path) -> None:
    both = (Profile.X86_64_V3, Profile.HARDENED)
    flags = told("$CFLAGS $LDFLAGS $GOAMD64 $RUSTFLAGS", tmp_path, arch="x86_64", profiles=both)
    for flag in (
        "-march=x86-64-v3",
        "-fstack-clash-protection",
        "-Wl,-z,now",
        " v3 ",
        "target-cpu=x86-64-v3",
    ):
        assert flag in flags
    assert "-march" not in told("$CFLAGS", tmp_path, profiles=(Profile.X86_64_V3,))
    assert told("$CFLAGS", tmp_path, profiles=both, makepkg_conf="CFLAGS=-Os") == "-Os"


def test_dependencies_cannot_be_taken_for_options() -> None:
    command = dependencies.installation(assignment(dependencies=("--root=/x",)), overwrite=False)
    assert command.arguments[-2:] == ("--", "--root=/x")


def amended(recipe: str, folder: Path, **changes: Any) -> str:
    """What a PKGBUILD says after the amendments of the assignment, run as the sandbox would."""
    lines = amendments.script(assignment(**changes), recipe, Hooks())
    command = makepkg.unpacking(assignment(**changes), folder / "recipe.tar", lines)
    (folder / "PKGBUILD").write_text(recipe)
    script = command.arguments[2].replace("bsdtar --no-same-owner -xf -", "true")
    subprocess.run(["bash", "-euc", script], cwd=folder, check=True)
    show = 'source ./PKGBUILD && echo "$pkgrel $PACKAGER"'
    return subprocess.run(
        ["bash", "-euc", show], cwd=folder, check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()


@pytest.mark.parametrize(
    ("recipe", "bump", "pkgrel"),
    [("pkgrel=3", 0, "3"), ("pkgrel=3", 2, "3.2"), ("pkgrel=3.08", 2, "3.10"), ("pkgrel=3 # end", 1, "3.1")],
)
def test_a_bump_counts_from_the_recipes_own_release(
    tmp_path: Path, recipe: str, bump: int, pkgrel: str
) -> None:
    assert amended(recipe, tmp_path, bump=bump) == f"{pkgrel} O'Hara <o@example.org>"


def test_nothing_is_built_for_the_builders_own_processor(tmp_path: Path) -> None:
    recipe = "pkgrel=1\nCFLAGS+=' -O2 -march=native'"
    assert amended(recipe, tmp_path).startswith("1 ")
    assert "\nCFLAGS+=' -O2'\n" in (tmp_path / "PKGBUILD").read_text()
    assert amendments.told(assignment(bump=2), recipe) == ["-march=native taken out", "pkgrel raised by 0.2"]


def test_sources_are_fetched_in_a_call_of_their_own_only_where_the_build_has_no_network() -> None:
    calls = {
        network: (
            makepkg.fetches_first(assignment(network=network)),
            makepkg.making(assignment(network=network)).network,
        )
        for network in Network
    }
    assert calls == {
        Network.SOURCES: (True, False),
        Network.ALWAYS: (False, True),
        Network.NEVER: (False, False),
    }
    assert not makepkg.fetches_first(assignment(remote_sources=False))


def test_a_host_root_has_the_machines_tools_and_none_of_its_secrets(tmp_path: Path) -> None:
    machine = tmp_path / "machine"
    for folder in ("usr/bin", "usr/lib", "etc/ssl/private", "etc/ssl/certs", "root", "home/ada", "etc/perl"):
        (machine / folder).mkdir(parents=True)
    (machine / "usr/bin/makepkg").touch()
    for name in ("etc/shadow", "etc/ssl/private/key.pem", "root/.ssh", "home/ada/diary", "etc/machine-id"):
        (machine / name).write_text("secret")
    (machine / "etc/ssl/certs/ca.pem").write_text("certificate")
    (machine / "etc/perl/private.cfg").write_text("secret")
    (machine / "etc/perl/private.cfg").chmod(0o640)
    layers = HostRoot(tmp_path / "skeleton", machine).layers()
    assert layers == (Layer(tmp_path / "skeleton"), Layer(machine / "usr", "usr"))
    skeleton = tmp_path / "skeleton"
    texts = {path.relative_to(skeleton): path.read_text() for path in skeleton.rglob("*") if path.is_file()}
    assert "secret" not in texts.values()
    assert texts[Path("etc/ssl/certs/ca.pem")] == "certificate"
    assert texts[Path("var/lib/pacman/local/ALPM_DB_VERSION")] == "9\n"
    assert (skeleton / "bin").readlink() == Path("usr/bin")
    assert (skeleton / "tmp").stat().st_mode & 0o7777 == 0o1777


def test_the_build_user_is_known_once() -> None:
    assert with_build_user(lambda _: "").passwd == "builder:x:1000:1000:builder:/build:/bin/bash\n"
    taken = "root:x:0:0::/root:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\n"
    assert with_build_user(lambda _: taken).passwd == taken
