"""The pacman format held against the tools themselves: vercmp, makepkg, repo-add, pacman and bsdtar."""

import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quarters.formats import pages
from quarters.formats.pacman import Pacman
from quarters.formats.pacman.compression import kind_of, unpacked
from quarters.formats.pacman.tar import Tar
from quarters.model.errors import RecipeInvalid
from quarters.model.repository import Compression, PackageFile

PACMAN = Pacman()
NOBODY = 65534

pytestmark = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in ("pacman", "makepkg", "repo-add", "vercmp", "bsdtar")),
    reason="pacman's tools are not installed",
)

PKGBUILD = r"""
pkgbase=tour
pkgname=(tour tour-docs)
pkgver=1.5.rc1
pkgrel=2
epoch=3
pkgdesc="Goes   everywhere,   and 'back'"
url="https://example.org/?a=b&c="
arch=(x86_64)
license=(MIT 'GPL-3.0-or-later')
groups=(travel)
makedepends=(bash)
options=(!strip !debug)
source=()

package_tour() {
    depends=('libtour.so=1-64' 'stairs>=2')
    depends_x86_64=(elevator)
    optdepends=('map: to find the way' guide)
    provides=('journey=1.5' walk)
    conflicts=('journey<1')
    replaces=(trip)
    backup=(etc/tour.conf)
    install -d "$pkgdir"/etc "$pkgdir"/usr/share/{tour,empty}
    echo conf > "$pkgdir"/etc/tour.conf
    cd "$pkgdir"/usr/share/tour
    echo x > plain
    ln plain hardlinked
    ln -s ../../../../elsewhere symlink
    echo x > 'with space'
    echo x > 'back\x2dslash'
    echo x > größe
    echo x > "$(printf 'long%.0s' {1..60})"
    truncate -s 5M sparse && echo end >> sparse
    echo x > .hidden
    mkdir Upper && echo x > Upper/a-b && echo x > Upper/a.b && echo x > Upper/a_b
}

package_tour-docs() {
    pkgdesc=
    arch=(any)
    url='https://example.org/docs='
    groups=()
    install -Dm644 /dev/stdin "$pkgdir"/usr/share/doc/tour/README <<< 'Walk.'
}
"""


@pytest.fixture(scope="module")
def workshop() -> Iterator[Path]:
    """A folder that an unprivileged user may reach, which pytest's own folders are not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        yield folder


@pytest.fixture(scope="module")
def built(workshop: Path) -> list[Path]:
    """The packages of PKGBUILD, made by makepkg in each compression."""
    recipe = workshop / "recipe"
    recipe.mkdir()
    recipe.chmod(0o777)
    (recipe / "PKGBUILD").write_text(PKGBUILD)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(recipe),
        "LC_ALL": "C.UTF-8",
        "PKGEXT": ".pkg.tar.zst",
        "PACKAGER": "A Tester <tester@example.org>",
    }
    run([*unprivileged(), "makepkg", "--nodeps"], cwd=recipe, env=environment)
    return sorted(recipe.glob("*.pkg.tar.zst"))


@pytest.fixture(scope="module")
def packages(built: list[Path]) -> list[PackageFile]:
    return [PACMAN.read_package(path, path.name) for path in built]


def unprivileged() -> list[str]:
    """What makepkg, which refuses to run as root, has to be started with."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]


def run(command: list[str], cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def contents(archive: Path) -> dict[str, str]:
    """Every file in an index by its path."""
    data = b"".join(unpacked([archive.read_bytes()], kind_of(archive.read_bytes()), 1 << 30))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        opened = {member.name: tar.extractfile(member) for member in tar if member.isfile()}
        return {name: file.read().decode() for name, file in opened.items() if file is not None}


def publish(
    folder: Path,
    built: list[Path],
    packages: list[PackageFile],
    compression: Compression = Compression.GZIP,
) -> None:
    """Lay a repository called `tours` out as a server would."""
    folder.mkdir()
    for path in built:
        (folder / path.name).symlink_to(path)
    listed = {package.name: package.index for package in packages}
    for name, data in pages.whole(PACMAN, "tours", listed, compression).items():
        (folder / name).write_bytes(data)
    for alias, name in PACMAN.index_aliases("tours", compression).items():
        (folder / alias).symlink_to(name)


versions = st.text(alphabet="0019aAbz..._-+~:é", max_size=8)


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(st.lists(st.tuples(versions, versions), min_size=40, max_size=60))
def test_any_two_versions_are_ordered_as_vercmp_orders_them(pairs: list[tuple[str, str]]) -> None:
    arguments = "".join(f"{left}\0{right}\0" for left, right in pairs)
    done = subprocess.run(
        ["xargs", "-0", "-n2", "vercmp"], input=arguments, capture_output=True, text=True, check=True
    )
    told = [(pair, int(line)) for pair, line in zip(pairs, done.stdout.split(), strict=True)]
    assert [(pair, PACMAN.compare(*pair)) for pair, _ in told] == told


def test_both_packages_are_read(packages: list[PackageFile]) -> None:
    assert [(package.name, package.base, package.version, package.arch) for package in packages] == [
        ("tour", "tour", "3:1.5.rc1-2", "x86_64"),
        ("tour-docs", "tour", "3:1.5.rc1-2", "any"),
    ]
    assert packages[0].packager == "A Tester <tester@example.org>"
    assert [str(dependency) for dependency in packages[0].depends] == [
        "libtour.so=1-64",
        "stairs>=2",
        "elevator",
    ]
    assert [str(provision) for provision in packages[0].provides] == ["journey=1.5", "walk"]
    assert packages[0].installed_size > 0


def test_the_recipe_says_of_itself_what_the_packages_say(
    built: list[Path], packages: list[PackageFile]
) -> None:
    assert built
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(built[0].parent / "PKGBUILD", folder)
        folder.chmod(0o777)
        drop = (
            ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
            if os.geteuid() == 0
            else []
        )
        recipe = PACMAN.parse_recipe(run([*drop, "makepkg", "--printsrcinfo"], cwd=folder))
    assert (recipe.pkgbase, recipe.version) == ("tour", packages[0].version)
    assert [output.name for output in recipe.outputs] == [package.name for package in packages]
    assert [(package.arch,) for package in packages] == [output.arches for output in recipe.outputs]
    ours = [need.dependency for need in recipe.needs if need.output == "tour"]
    assert ours == list(packages[0].depends)


@pytest.mark.parametrize("compression", Compression)
def test_an_index_is_what_repo_add_writes(
    built: list[Path], packages: list[PackageFile], compression: Compression, tmp_path: Path
) -> None:
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    theirs.mkdir()
    files = PACMAN.index_files("tours", compression)
    run(["repo-add", "-q", str(theirs / files[0]), *map(str, built)], env=environment)
    publish(ours, built, packages, compression)
    assert sorted(path.name for path in ours.glob("tours.*")) == sorted(
        path.name for path in theirs.iterdir()
    )
    for archive in files:
        assert contents(ours / archive) == contents(theirs / archive)
        listings = [run(["bsdtar", "-tf", str(folder / archive)]).split("\n") for folder in (ours, theirs)]
        assert sorted(listings[0]) == sorted(listings[1])


@pytest.mark.parametrize("compression", Compression)
def test_repo_add_goes_on_from_our_index(
    built: list[Path], packages: list[PackageFile], compression: Compression, tmp_path: Path
) -> None:
    publish(tmp_path / "repo", built[:1], packages[:1], compression)
    database = tmp_path / "repo" / PACMAN.index_files("tours", compression)[0]
    run(
        ["repo-add", "-q", str(database), str(built[1])],
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
    )
    listed = PACMAN.read_index(database.read_bytes())
    assert sorted((package.name, package.version) for package in listed) == [
        ("tour", "3:1.5.rc1-2"),
        ("tour-docs", "3:1.5.rc1-2"),
    ]


@pytest.mark.parametrize("compression", Compression)
@pytest.mark.skipif(os.geteuid() != 0, reason="pacman installs as root only")
def test_pacman_finds_and_installs_what_the_index_lists(
    built: list[Path], packages: list[PackageFile], compression: Compression, tmp_path: Path
) -> None:
    publish(tmp_path / "repo", built, packages, compression)
    root, config = tmp_path / "root", tmp_path / "pacman.conf"
    (root / "var/lib/pacman").mkdir(parents=True)
    config.write_text(
        dedent(f"""\
        [options]
        Architecture = x86_64
        SigLevel = Never
        [tours]
        Server = file://{tmp_path}/repo
        """)
    )
    folders = {"cachedir": "cache", "logfile": "log", "hookdir": "hooks", "gpgdir": "gpg"}
    base = ["pacman", "--root", str(root), "--dbpath", str(root / "var/lib/pacman"), "--config", str(config)]
    base += [part for key, name in folders.items() for part in (f"--{key}", str(tmp_path / name))]
    base += ["--noconfirm"]
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    run([*base, "-Sy"], env=environment)
    shown = run([*base, "-Si", "tour"], env=environment)
    assert "3:1.5.rc1-2" in shown
    assert "Goes everywhere, and 'back'" in shown
    run([*base, "-Fy"], env=environment)
    listed = run([*base, "-Fl", "tour"], env=environment).split("\n")
    assert "tour usr/share/tour/größe" in listed
    run([*base, "-Sd", "-d", "tour", "tour-docs"], env=environment)
    assert (root / "usr/share/doc/tour/README").read_text() == "Walk.\n"
    assert (root / "usr/share/tour/sparse").stat().st_size > 5 << 20
    installed = run([*base, "-Ql", "tour"], env=environment).count("\n")
    on_disk = [line for line in packages[0].index["files"].split("\n")[1:] if line]
    assert installed == len(on_disk)


@pytest.mark.parametrize("compression", Compression)
@pytest.mark.skipif(os.geteuid() != 0, reason="pacman refreshes its databases as root only")
def test_pacman_reads_an_index_of_many_pages(compression: Compression, tmp_path: Path) -> None:
    names = [f"p{number}" for number in range(1000)]
    listed = {
        name: {
            "desc": f"%FILENAME%\n{name}-1-1-any.pkg.tar.gz\n\n%NAME%\n{name}\n\n%VERSION%\n1-1\n\n",
            "files": f"%FILES%\nusr/{name}\n",
        }
        for name in names
    }
    folder = tmp_path / "repo"
    folder.mkdir()
    for name, data in pages.whole(PACMAN, "tours", listed, compression).items():
        (folder / name).write_bytes(data)
    for alias, name in PACMAN.index_aliases("tours", compression).items():
        (folder / alias).symlink_to(name)
    assert len(list(pages.cut(sorted(names)))) > 10
    config, database = tmp_path / "pacman.conf", tmp_path / "db"
    database.mkdir()
    config.write_text(f"[options]\nSigLevel = Never\n[tours]\nServer = file://{folder}\n")
    base = ["pacman", "--dbpath", str(database), "--config", str(config), "--logfile", str(tmp_path / "log")]
    run([*base, "-Sy"])
    assert run([*base, "-Slq", "tours"]).split() == sorted(names)
    run([*base, "-Fy"])
    assert run([*base, "-Fq", "usr/p777"]).split() == ["tours/p777"]
    for file_name in PACMAN.index_files("tours", compression):
        assert run(["bsdtar", "-tf", str(folder / file_name)]).count("/desc\n") == 1000


@pytest.mark.parametrize("compression", Compression)
@pytest.mark.skipif(os.geteuid() != 0, reason="pacman refreshes its databases as root only")
def test_pacman_accepts_an_empty_index(compression: Compression, tmp_path: Path) -> None:
    publish(tmp_path / "repo", [], [], compression)
    config, database = tmp_path / "pacman.conf", tmp_path / "db"
    database.mkdir()
    config.write_text(f"[options]\nSigLevel = Never\n[tours]\nServer = file://{tmp_path}/repo\n")
    base = ["pacman", "--dbpath", str(database), "--config", str(config), "--logfile", str(tmp_path / "log")]
    run([*base, "-Sy"])
    assert run([*base, "-Sl", "tours"]) == ""


def test_every_real_recipe_is_read(corpus: Path) -> None:
    data = (corpus / "chaotic-aur-metadata.tar.zst").read_bytes()
    tar = Tar(unpacked([data], "zst", 1 << 30))
    texts = {m.name: tar.content(m.size).decode() for m in tar if m.name.endswith("/.SRCINFO")}
    empty = [name for name, text in texts.items() if not text.strip()]
    recipes = [PACMAN.parse_recipe(text) for name, text in texts.items() if name not in empty]
    for name in empty:
        with pytest.raises(RecipeInvalid, match="empty"):
            PACMAN.parse_recipe(texts[name])
    assert len(texts) == 2533
    assert len(empty) == 1
    assert sum(len(recipe.outputs) for recipe in recipes) == 3189
    assert sum(len(recipe.needs) for recipe in recipes) == 22270
