"""The example recipes with the real makepkg and pacman, and the git repository that is made of them."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

NOBODY = 65534
IN_DEPENDENCY_ORDER = (
    "libgreet",
    "greet-gen",
    "greet-texts",
    "greet-config",
    "greet",
    "greet-testkit",
    "greet-letter",
    "greet-today",
    "greet-colours",
    "greetings",
)
WITHOUT_SRCINFO = "greet-colours"

needs_makepkg = pytest.mark.skipif(shutil.which("makepkg") is None, reason="makepkg is not installed")


@pytest.fixture(scope="module")
def copies(project: Path) -> Iterator[Path]:
    """A folder that nobody may enter, with copies of the recipes that nobody may write."""
    with TemporaryDirectory(prefix="quarters-examples-") as name:
        work = Path(name)
        work.chmod(0o711)
        shutil.copytree(project / "examples" / "recipes", work / "recipes")
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", work / "recipes"], check=True)
        yield work


@pytest.fixture(scope="module")
def built(copies: Path, project: Path) -> Path:
    """The folder in which every recipe was built, and its packages installed, in dependency order."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount the root that the examples are built in")
    script = project / "tests" / "integration" / "build_examples.sh"
    done = subprocess.run(
        ["unshare", "--mount", script, copies, *IN_DEPENDENCY_ORDER],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return copies


def printed_srcinfo(recipe: Path) -> str:
    """What makepkg, which refuses to run as root, prints about a recipe."""
    unprivileged = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    command = ["makepkg", "--printsrcinfo"]
    return subprocess.run(
        unprivileged + command if os.geteuid() == 0 else command,
        cwd=recipe,
        env={"PATH": os.environ["PATH"], "HOME": str(recipe), "BUILDDIR": str(recipe)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def member(packages: Path, name: str) -> str:
    """A member of the only package file in a folder whose name begins so far, such as `greet-1`."""
    prefix, _, path = name.partition("/")
    (package,) = packages.rglob(f"{prefix}*.pkg.tar.zst")
    return subprocess.run(
        ["bsdtar", "-xOf", package, path], capture_output=True, text=True, check=True
    ).stdout


def info(packages: Path, prefix: str, key: str) -> list[str]:
    """The values of a key of .PKGINFO."""
    lines = member(packages, f"{prefix}/.PKGINFO").splitlines()
    return [line.removeprefix(f"{key} = ") for line in lines if line.startswith(f"{key} = ")]


def make_repository(script: Path, target: Path) -> None:
    subprocess.run([script, target], check=True)


def log(repository: Path, what: str) -> list[str]:
    """One line per commit, the oldest first."""
    command: list[str | Path] = ["git", "-C", repository, "log", "--reverse", f"--format={what}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


@needs_makepkg
@pytest.mark.parametrize("recipe", sorted(set(IN_DEPENDENCY_ORDER) - {WITHOUT_SRCINFO}))
def test_a_committed_srcinfo_is_what_makepkg_prints(copies: Path, project: Path, recipe: str) -> None:
    committed = (project / "examples" / "recipes" / recipe / ".SRCINFO").read_text()
    assert committed == printed_srcinfo(copies / "recipes" / recipe)


@needs_makepkg
def test_the_recipe_without_srcinfo_provides_what_only_bash_can_say(copies: Path) -> None:
    recipe = copies / "recipes" / WITHOUT_SRCINFO
    assert not (recipe / ".SRCINFO").exists()
    assert "\tprovides = greet-in-blue=1.0\n" in printed_srcinfo(recipe)


def test_every_example_is_listed_here(project: Path) -> None:
    folders = {path.name for path in (project / "examples" / "recipes").iterdir()}
    assert folders == set(IN_DEPENDENCY_ORDER)


def test_all_examples_build_and_install_in_dependency_order(built: Path) -> None:
    assert (built / "installed").read_text().split() == sorted([*IN_DEPENDENCY_ORDER, "libgreet-devel"])


def test_the_installed_program_greets(built: Path) -> None:
    assert (built / "greetings").read_text().splitlines() == [
        "Hello, world!",
        "Guten Tag, Ada!",
        "Hello, world!",
        "Today: the day of pi",
        "\x1b[31mHello, world!\x1b[0m",
        "greet 1.4.0 (libgreet 1.2.0)",
        "Hello, reader!",
    ]


def test_the_library_provides_its_soname_and_the_programs_depend_on_it(built: Path) -> None:
    packages = built / "packages"
    assert info(packages, "libgreet-1", "provides") == ["libgreet.so=1-64"]
    assert "libgreet.so=1-64" in info(packages, "greet-gen-", "depend")
    assert "libgreet.so=1-64" in info(packages, "greet-1", "depend")


def test_the_package_has_the_version_that_pkgver_yields(built: Path, project: Path) -> None:
    srcinfo = (project / "examples" / "recipes" / "greet-today" / ".SRCINFO").read_text()
    assert "\tpkgver = 2025.11\n" in srcinfo
    assert info(built / "packages", "greet-today-", "pkgver") == ["1:2026.2-1"]


def test_the_check_of_the_letter_ran(built: Path) -> None:
    assert (
        'ok: sh greet-letter Ada de prints "Guten Tag, Ada!"' in (built / "log" / "greet-letter").read_text()
    )


def test_the_scriptlet_remembers_the_version_and_cleans_up(built: Path) -> None:
    assert "post_install" in member(built / "packages", "greet-config-/.INSTALL")
    assert (built / "first-version").read_text() == "1-1\n"
    assert "var/lib/greet" not in (built / "left-behind").read_text().split()


def test_a_changed_configuration_file_outlives_its_package(built: Path) -> None:
    assert info(built / "packages", "greet-config-", "backup") == ["etc/greet.conf"]
    assert "etc/greet.conf.pacsave" in (built / "left-behind").read_text().split()


def test_the_repository_has_one_commit_per_recipe_by_its_author(project: Path, tmp_path: Path) -> None:
    make_repository(project / "examples" / "make-repository", tmp_path / "tree")
    assert log(tmp_path / "tree", "%s") == [f"{recipe}: add" for recipe in IN_DEPENDENCY_ORDER]
    authors = dict(zip(IN_DEPENDENCY_ORDER, log(tmp_path / "tree", "%an <%ae>"), strict=True))
    assert authors["greet"] == authors["libgreet"] == "Ada Lindqvist <ada@greet.example>"
    assert len(set(authors.values())) == len(IN_DEPENDENCY_ORDER) - 1


def test_a_second_run_commits_nothing_and_another_machine_gets_the_same_commits(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = project / "examples" / "make-repository"
    make_repository(script, tmp_path / "tree")
    commits = log(tmp_path / "tree", "%H")
    make_repository(script, tmp_path / "tree")
    assert log(tmp_path / "tree", "%H") == commits

    monkeypatch.setenv("GIT_AUTHOR_NAME", "Somebody Else")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    make_repository(script, tmp_path / "elsewhere")
    assert log(tmp_path / "elsewhere", "%H") == commits


def test_only_a_changed_recipe_is_committed_again(project: Path, tmp_path: Path) -> None:
    shutil.copytree(project / "examples", tmp_path / "examples")
    script = tmp_path / "examples" / "make-repository"
    make_repository(script, tmp_path / "tree")
    (tmp_path / "examples" / "recipes" / "greet-texts" / "world.phrases").unlink()
    make_repository(script, tmp_path / "tree")
    assert log(tmp_path / "tree", "%s")[len(IN_DEPENDENCY_ORDER) :] == ["greet-texts: update"]


def test_the_repository_is_not_made_among_other_files(project: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    with pytest.raises(subprocess.CalledProcessError):
        make_repository(project / "examples" / "make-repository", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]
