"""The commands as a person types them, against `quarters up` with its builder and a source of two recipes."""

import contextlib
import json
import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="builds are isolated with mounts, which needs root")

QUARTERS = (sys.executable, "-m", "quarters.cli")
RECIPE = """pkgname={name}
pkgver=1
pkgrel=1
pkgdesc='A test'
arch=('any')
depends=({depends})
package() {{
  {package}
}}
"""
SRCINFO = """pkgbase = {name}
\tpkgdesc = A test
\tpkgver = 1
\tpkgrel = 1
\tarch = any
{depends}
pkgname = {name}
"""


@dataclass(frozen=True)
class Up:
    """A running `quarters up`."""

    process: subprocess.Popen[str]
    url: str
    data: Path
    environ: dict[str, str]

    def run(self, *arguments: str, code: int = 0) -> str:
        """What a command prints, which must end with `code` and say nothing else where that is 0."""
        done = subprocess.run(
            [*QUARTERS, *arguments],
            capture_output=True,
            text=True,
            check=False,
            env=self.environ,
            timeout=120,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        assert code or not done.stderr, done.stderr
        return done.stdout if code == 0 else done.stdout + done.stderr

    def json(self, *arguments: str, code: int = 0) -> Any:
        """What a command prints for machines."""
        return json.loads(self.run(*arguments, "--json", code=code))


def environment(folder: Path) -> dict[str, str]:
    """That of a user with a home in `folder`, whose data folder is there too."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("QUARTERS_")}
    return kept | {"XDG_CONFIG_HOME": str(folder / "home"), "QUARTERS_STORAGE__DATA": str(folder / "data")}


@contextlib.contextmanager
def up(folder: Path, *options: str) -> Iterator[Up]:
    """Start `quarters up` on a free port, and end it if it still runs."""
    environ = environment(folder)
    with (folder / "up.log").open("a") as log:
        process = subprocess.Popen(
            [*QUARTERS, "up", "--port", "0", *options],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=environ,
        )
    try:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if found := re.match(r"Quarters is up +(\S+)", line):
                yield Up(process, found[1], folder / "data", environ)
                break
        else:
            pytest.fail(said + (folder / "up.log").read_text())
    finally:
        process.terminate()
        process.communicate(timeout=30)


@pytest.fixture(scope="module")
def here() -> Iterator[Up]:
    """A server with a builder and a source: `base`, `top` that needs it, and `bad`, which cannot be built."""
    # Not below pytest's own folder, which other users may not enter: builds are made by one.
    with TemporaryDirectory(dir="/var/tmp") as name:
        folder = Path(name)
        tree = folder / "tree"
        recipe(tree, "base", "mkdir -p $pkgdir/usr/share/base")
        recipe(tree, "top", "mkdir -p $pkgdir/usr/share/top", "base")
        recipe(tree, "bad", "echo this will not do >&2; false")
        recipe(tree, "after", "true", "bad")
        recipe(tree, "lonely", "true", "nowhere")
        commit(tree)
        with up(folder, "--slots", "2") as here:
            here.run("source", "add", "tree", str(tree), "--no-automatic")
            here.run("builds", "watch", "--until-idle")
            yield here


def recipe(tree: Path, name: str, package: str, depends: str = "") -> None:
    (tree / name).mkdir(parents=True)
    quoted = f"'{depends}'" if depends else ""
    (tree / name / "PKGBUILD").write_text(RECIPE.format(name=name, depends=quoted, package=package))
    line = f"\tdepends = {depends}\n" if depends else ""
    (tree / name / ".SRCINFO").write_text(SRCINFO.format(name=name, depends=line))


def commit(tree: Path) -> None:
    person = ["-c", "user.name=Ada", "-c", "user.email=ada@greet.example"]
    for command in (["init", "-q"], ["add", "."], [*person, "commit", "-qm", "recipes"]):
        subprocess.run(["git", "-C", tree, *command], check=True)


def alive(process: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def builder_of(parent: int) -> int:
    """The builder that `quarters up` started."""
    return int(Path(f"/proc/{parent}/task/{parent}/children").read_text().split()[0])


def test_up_makes_a_repository_a_key_and_tokens(here: Up) -> None:
    assert [it["name"] for it in here.json("repo", "list")] == ["quarters"]
    assert {it["scope"] for it in here.json("token", "list")} == {"admin", "builder"}
    assert here.run("key", "export").startswith("-----BEGIN PGP PUBLIC KEY BLOCK-----")
    for path in (here.data / "client.json", here.data / "builder.token", *(here.data / "keys").iterdir()):
        assert path.stat().st_mode & 0o777 == 0o600


def test_no_token_is_in_the_builders_arguments_or_environment(here: Up) -> None:
    token = (here.data / "builder.token").read_text().strip().encode()
    for name in ("cmdline", "environ"):
        assert token not in Path(f"/proc/{builder_of(here.process.pid)}/{name}").read_bytes()


def test_a_plan_is_a_tree_in_dependency_order(here: Up) -> None:
    words = here.run("plan", "top")
    assert words.index("stage 1") < words.index("base 1-1") < words.index("stage 2") < words.index("top 1-1")
    assert "after base: base (depends)" in words
    assert [it["pkgbase"] for it in here.json("plan", "top")["builds"]] == ["base", "top"]


def test_a_plan_with_something_that_cannot_be_built_fails_and_names_the_chain(here: Up) -> None:
    assert "lonely -> nowhere" in here.run("plan", "lonely", code=1)
    assert here.json("plan", "lonely", code=1)["problems"][0]["kind"] == "unresolvable"


def test_a_followed_build_ends_with_its_packages_published(here: Up) -> None:
    words = here.run("build", "top", "--follow")
    assert re.search(r"✓ \d+ base 1-1: succeeded", words)
    assert re.search(r"✓ \d+ top 1-1: succeeded", words)
    assert {"base", "top"} <= {it["name"] for it in here.json("repo", "packages", "quarters")}
    assert "base is up to date" in here.run("build", "base")


def test_a_failed_build_says_where_and_its_log_why(here: Up) -> None:
    words = here.run("build", "after", "--follow", code=1)
    failed = re.search(r"✗ (\d+) bad 1-1: failed.*in step package", words)
    assert failed is not None, words
    assert "this will not do" in here.run("log", failed[1])
    assert "this will not do" in here.run("log", failed[1], "--follow", code=1)
    shown = here.json("builds", "show", failed[1])
    assert (shown["state"], shown["step"], shown["reason"]) == ("failed", "package", "package_failed")
    blocked = here.json("builds", "list", "--state", "blocked")
    assert [it["pkgbase"] for it in blocked] == ["after"]
    assert "bad" in here.run("builds", "why", str(blocked[0]["id"]))
    assert "cancelled" in here.run("builds", "cancel", str(blocked[0]["id"]), "--yes")


def test_what_failed_for_a_reason_is_tried_again_and_a_request_is_taken_back(here: Up) -> None:
    here.run("build", "bad", "--follow", code=1)
    assert re.search(
        r"^\d+ builds? (is|are) tried again", here.run("builds", "retry", "--reason", "package_failed")
    )
    here.run("builds", "watch", "--until-idle", code=1)
    (latest, *_) = here.json("builds", "list", "--pkgbase", "bad")
    shown = here.run("builds", "show", str(latest["id"]))
    assert "tried again by" in shown
    assert f"(request {latest['request_id']})" in shown
    assert "0 builds are cancelled" in here.run(
        "builds", "cancel", "--request", str(latest["request_id"]), "--yes"
    )
    assert here.json("builds", "list", "--request", str(latest["request_id"]))
    assert "no request 4711" in here.run("builds", "cancel", "--request", "4711", "--yes", code=1)
    assert "--reason" in here.run("builds", "retry", code=1)


def test_a_source_and_a_recipe_are_scheduled(here: Up) -> None:
    assert "UTC" in here.run("schedule", "0 3", "--count", "2")
    here.run("source", "edit", "tree", "--schedule", "0 3", "--timezone", "Europe/Brussels")
    assert "base is built next on" in here.run("source", "schedule", "tree", "base", "@weekly")
    found = here.json("source", "schedules")
    assert [(it["pkgbase"], it["expression"]) for it in found] == [("", "0 3"), ("base", "@weekly")]
    assert "all others" in here.run("source", "schedules")
    assert "base follows tree again" in here.run("source", "schedule", "tree", "base", "off")
    here.run("source", "edit", "tree", "--schedule", "off")
    assert here.json("source", "schedules") == []
    words = here.run("source", "edit", "tree", "--schedule", "61 3", code=1)
    assert words == "quarters: '61 3' is no schedule: its minute is misspelt or never comes.\n"


def test_what_there_is_not_is_said_in_a_sentence(here: Up) -> None:
    for arguments in (
        ["builds", "show", "4711"],
        ["repo", "show", "none"],
        ["source", "show", "none"],
        ["log", "4711"],
    ):
        words = here.run(*arguments, code=1)
        assert words.startswith("quarters: ")
        assert words.count("\n") == 1
    assert "Did you mean" in here.run("build", "bsae", code=1)


def test_a_repository_can_be_made_filled_and_deleted(here: Up) -> None:
    here.run("build", "base", "--follow")
    made = here.run("repo", "create", "other", "--arch", "x86_64")
    assert f"[other]\nSigLevel = Required DatabaseRequired\nServer = {here.url}/repo/$repo/$arch" in made
    assert "already" in here.run("repo", "create", "other", code=1)
    part = here.data / "makepkg.conf"
    part.write_text("LDFLAGS+=' -Wl,-O1'\n")
    here.run(
        "repo",
        "edit",
        "other",
        "--profile",
        "x86_64_v3",
        "--profile",
        "hardened",
        "--makepkg-conf",
        str(part),
    )
    shown = here.json("repo", "show", "other")
    assert (shown["profiles"], shown["makepkg_conf"]) == (["x86_64_v3", "hardened"], part.read_text())
    here.run("repo", "edit", "other", "--no-profile", "--makepkg-conf", "/dev/null")
    shown = here.json("repo", "show", "other")
    assert (shown["profiles"], shown["makepkg_conf"]) == ([], "")
    here.run("repo", "promote", "quarters", "other", "base")
    assert [it["name"] for it in here.json("repo", "packages", "other")] == ["base"]
    here.run("repo", "remove", "other", "base", "--yes")
    assert here.run("repo", "packages", "other") == "other is empty.\n"
    numbers = [it["number"] for it in here.json("repo", "snapshots", "other")]
    here.run("repo", "rollback", "other", str(numbers[1]), "--yes")
    assert [it["name"] for it in here.json("repo", "packages", "other")] == ["base"]
    here.run("repo", "delete", "other", "--yes")
    assert [it["name"] for it in here.json("repo", "list")] == ["quarters"]


def test_what_an_upstream_signs_is_installed_where_its_key_is_given(here: Up) -> None:
    here.run("build", "base", "--follow")
    key = here.data / "upstream.asc"
    key.write_text(here.run("key", "export"))
    tree = here.data.parent / "above"
    recipe(tree, "roof", "cp -r /usr/share/base $pkgdir/", "base")
    commit(tree)
    upstream = f"quarters={here.url}/repo/$repo/$arch"
    assert "no --upstream" in here.run("repo", "create", "above", "--upstream-key", f"quarters={key}", code=1)
    here.run("repo", "create", "above", "--upstream", upstream, "--upstream-key", f"quarters={key}")
    here.run("source", "add", "above", str(tree), "--repo", "above", "--no-automatic")
    here.run("builds", "watch", "--until-idle")
    here.run("build", "roof", "--repo", "above", "--follow")
    assert [it["name"] for it in here.json("repo", "packages", "above")] == ["roof"]
    here.run("source", "remove", "above", "--yes")
    here.run("repo", "delete", "above", "--yes")


def test_a_builder_can_be_drained_and_enabled(here: Up) -> None:
    (name,) = [it["name"] for it in here.json("builders", "list")]
    assert here.json("builders", "drain", name)["state"] == "draining"
    assert here.json("builders", "enable", name)["state"] == "enabled"
    assert "enabled" in here.run("builders", "show", name)


def test_a_token_allows_what_its_scope_says_until_it_is_revoked(here: Up) -> None:
    secret = here.run("token", "create", "reader", "--scope", "read").strip()
    reader = Up(here.process, here.url, here.data, here.environ | {"QUARTERS_TOKEN": secret})
    assert reader.json("repo", "list")
    assert "scope" in reader.run("repo", "create", "mine", code=1)
    (number,) = [it["id"] for it in here.json("token", "list") if it["name"] == "reader"]
    here.run("token", "revoke", str(number), "--yes")
    assert "revoked" in reader.run("repo", "create", "mine", code=1)


def test_a_second_up_on_the_same_data_folder_says_who_has_it(here: Up) -> None:
    words = here.run("up", "--port", "0", code=1)
    assert words.count("\n") == 1
    assert f"{here.data} is already used by process {here.process.pid}" in words


def test_a_port_that_is_taken_is_said(here: Up, tmp_path: Path) -> None:
    port = here.url.rpartition(":")[2]
    words = here.run("server", "--data", str(tmp_path / "data"), "--port", port, code=1)
    assert words.count("\n") == 1
    assert f"already listens on 127.0.0.1:{port}" in words


def test_a_data_folder_that_cannot_be_written_is_said(here: Up) -> None:
    words = here.run("server", "--data", "/proc/nowhere", "--port", "0", code=1)
    assert words.count("\n") == 1
    assert "The data folder /proc/nowhere cannot be written" in words


def test_a_builder_without_a_token_says_how_to_get_one(here: Up) -> None:
    assert "quarters token create me --scope builder" in here.run("builder", "--name", "me", code=1)


def test_a_builder_with_a_token_that_is_no_good_ends(here: Up, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("qt_wrong")
    options = [
        "--server",
        here.url,
        "--data",
        str(tmp_path / "data"),
        "--token-file",
        str(tmp_path / "token"),
    ]
    assert "This token is not known here." in here.run("builder", *options, code=1)


def test_a_builder_takes_its_token_out_of_its_environment(here: Up, tmp_path: Path) -> None:
    secret = here.run("token", "create", "extra", "--scope", "builder").strip()
    command = [*QUARTERS, "builder", "--server", here.url, "--name", "extra", "--data", str(tmp_path)]
    process = subprocess.Popen(command, env=here.environ | {"QUARTERS_TOKEN": secret})
    try:
        until_it_is_known(here, "extra")
        assert secret.encode() not in Path(f"/proc/{process.pid}/environ").read_bytes()
        assert secret.encode() not in Path(f"/proc/{process.pid}/cmdline").read_bytes()
    finally:
        process.terminate()
        assert process.wait(timeout=30) == 0
    here.run("builders", "remove", "extra", "--yes")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_up_ends_with_its_builder_when_it_is_told_to(tmp_path: Path, number: signal.Signals) -> None:
    with up(tmp_path) as here:
        builder = builder_of(here.process.pid)
        known = Path(here.environ["XDG_CONFIG_HOME"]) / "quarters" / "client.json"
        assert json.loads(known.read_text())["url"] == here.url
        here.process.send_signal(number)
        here.process.communicate(timeout=30)
        assert here.process.returncode == 0
        assert not alive(builder)
        assert not known.exists()


def test_a_builder_ends_with_an_up_that_is_killed_and_another_up_takes_over(tmp_path: Path) -> None:
    with up(tmp_path) as here:
        builder = builder_of(here.process.pid)
        watching = os.pidfd_open(builder)
        here.process.kill()
        ended(watching)
        assert not alive(builder)
    tokens = (tmp_path / "data" / "client.json").read_text()
    with up(tmp_path) as again:
        assert [it["name"] for it in again.json("repo", "list")] == ["quarters"]
        assert json.loads(tokens)["token"] == json.loads((again.data / "client.json").read_text())["token"]


def until_it_is_known(here: Up, builder: str) -> None:
    """Ask for the builders until `builder` is one of them; each question takes long enough."""
    for _ in range(100):
        if builder in {it["name"] for it in here.json("builders", "list")}:
            return
    pytest.fail(f"{builder} never asked for work")


def ended(descriptor: int) -> None:
    """Wait for a process to end."""
    try:
        assert select.select([descriptor], [], [], 30)[0]
    finally:
        os.close(descriptor)
