"""Recipes that do their worst while they are built: each ends as what it is, and the builder goes on with the next."""

import re
import shlex
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.request import urlopen

import pytest

from quarters.builder import cgroups
from tests.inhabitants import inhabitants
from tests.system.farm import QUARTERS, SRCINFO, Farm, commit, farm_in

PKGBUILD = """pkgname={name}
pkgver=1
pkgrel=1
pkgdesc='A test'
arch=('any')
package() {{
  install -d "$pkgdir/usr/share/{name}"
}}
{functions}
"""
ESCAPES = r"\e]0;title\a\e[2J\e]52;c;ZXZpbA==\a<script>alert(1)</script>"

PASSES_A_LIMIT = {
    "fork-bomb": ("build() { bomb() { bomb | bomb & }; bomb; wait; sleep 60; }", "too_many_processes"),
    "memory-hog": (
        """build() { while :; do perl -e '$x .= "x" x 10_000_000 while 1' || :; done; }""",
        "out_of_memory",
    ),
    "shared-memory-hog": ("build() { cat /dev/zero >/dev/shm/hog || :; sleep 60; }", "out_of_memory"),
    "prints-without-end": (rf"build() {{ yes $'{ESCAPES}'; }}", "log_too_large"),
    "disk-filler": ("build() { cat /dev/zero >big; }", "disk_full"),
    "hidden-disk-filler": ("build() { exec 3>big; rm big; cat /dev/zero >&3; }", "disk_full"),
}
FAILS = {
    "kills-all": ("build() { kill -9 -1; sleep 60; }", "build", "build_failed"),
    "exits-well": ("build() { exit 0; }", "build", "package_failed"),
    "links-its-package": (
        'package() { ln -s /etc/passwd "$PKGDEST/links-its-package-1-1-any.pkg.tar.zst"; exit 0; }',
        "package",
        "package_failed",
    ),
    "makes-a-pipe-of-its-package": (
        'package() { mkfifo "$PKGDEST/makes-a-pipe-of-its-package-1-1-any.pkg.tar.zst"; exit 0; }',
        "package",
        "package_failed",
    ),
    "claims-another-name": (
        """package() {
  cd /build
  printf '%s = %s\\n' pkgname innocent pkgbase innocent pkgver 9-1 arch any size 1 builddate 1 >.PKGINFO
  bsdtar --zstd -cf "$PKGDEST/claims-another-name-1-1-any.pkg.tar.zst" .PKGINFO
  exit 0
}""",
        "upload",
        "publish_rejected",
    ),
}
HARMLESS = {
    "leaves-a-daemon": """build() {
  (trap '' TERM HUP INT; setsid bash -c "trap '' TERM HUP INT; while :; do sleep 1; done" & disown)
  perl -e 'fork && exit; setpgrp; fork && exit; $SIG{TERM} = "IGNORE"; sleep 1000003'
}""",
    "makes-devices": """build() {
  for device in 'b 8 0' 'c 1 1' 'c 5 1'; do mknod "node-${device// /-}" $device 2>/dev/null && echo BREACH device || :; done
  for file in /dev/mem /dev/kmem /dev/sda /dev/vda /dev/kmsg /dev/fuse /dev/kvm /dev/loop-control /dev/net/tun; do
    [[ -e $file ]] && echo "BREACH $file" || :
  done
}""",
    "sets-setuid-bits": """build() {
  cp /bin/bash rootly; chmod 6755 rootly
  [[ $(./rootly -p -c 'id -u; id -g') == $'1000\\n1000' ]] || echo BREACH setuid
  for tool in su mount umount newgrp passwd sudo pkexec; do
    [[ $(timeout 5 $tool -c id </dev/null 2>/dev/null) == *uid=0* ]] && echo "BREACH $tool" || :
  done
  grep -q 'NoNewPrivs:.*1' /proc/self/status || echo BREACH privileges
}""",
    "climbs-through-proc": """build() {
  for place in /proc/1/root/root /proc/self/root/../../root /proc/self/cwd/../../../../root; do
    ls $place/.* >/dev/null 2>&1 && [[ -n $(ls -A $place) ]] && echo "BREACH $place" || :
  done
  for file in /proc/sys/kernel/core_pattern /proc/sys/kernel/hostname /proc/sysrq-trigger /proc/kcore \\
    /proc/1/environ /proc/timer_list /proc/sys/vm/drop_caches /sys/power/state; do
    (exec 3>>"$file") 2>/dev/null && echo "BREACH write $file" || :
  done
  head -c 1 /proc/kcore >/dev/null 2>&1 && echo BREACH kcore || :
  tr '\\0' '\\n' </proc/1/environ 2>/dev/null | grep -i token && echo BREACH environ || :
  mount -t proc proc /mnt 2>/dev/null && echo BREACH mount || :
  mount --bind / /mnt 2>/dev/null && echo BREACH bind || :
  chroot / true 2>/dev/null && echo BREACH chroot || :
  unshare -Urm bash -c 'mount -t cgroup -o memory none /mnt && echo BREACH cgroup
    mount -t cgroup2 none /mnt && echo BREACH cgroup2
    mount -t sysfs none /mnt && echo BREACH sysfs
    mknod /build/sda b 8 0 && echo BREACH mknod' 2>/dev/null || :
  echo 1 2>/dev/null >/proc/self/oom_score_adj && echo "may lower its oom score, by the kernel's own rule" || :
}""",
    "reads-the-machine": """build() {
  for file in /etc/shadow /root/.bashrc @DATA@ @FOLDER@ /var/lib/quarters /run/systemd /run/dbus /var/run/docker.sock \\
    /home/* /etc/ssh /etc/machine-id /sys/class /boot/*; do
    [[ -e $file ]] && echo "BREACH $file" || :
  done
  env | grep -i -e quarters_ -e token -e '^SSH' && echo BREACH environment || :
}""",
    "calls-out": """build() {
  for port in @PORT@ @SERVER@; do
    (exec 3<>/dev/tcp/127.0.0.1/$port) 2>/dev/null && echo "BREACH port $port" || :
    (exec 3<>/dev/tcp/localhost/$port) 2>/dev/null && echo "BREACH localhost $port" || :
  done
  ip route 2>/dev/null | grep -q default && echo BREACH route || :
  (exec 3<>/dev/tcp/169.254.169.254/80) 2>/dev/null && echo BREACH metadata || :
  [[ $(wc -l </proc/net/unix) == 1 ]] || echo BREACH sockets
}""",
    "links-around": """package() {
  install -d "$pkgdir/usr/share/links-around"
  ln -s /etc/shadow "$pkgdir/usr/share/links-around/shadow"
  ln -s ../../../../../../.. "$pkgdir/usr/share/links-around/up"
  ln /usr/bin/true "$pkgdir/usr/share/links-around/true" 2>/dev/null || :
  ln -s / "$PKGDEST/root"; ln -s @DATA@ "$PKGDEST/data"; mkdir "$PKGDEST/folder-1-1-any.pkg.tar.zst"
  echo evil >"$PKGDEST/innocent-9-1-any.pkg.tar.zst"
  echo evil >"$PKGDEST/../out/..innocent-9-1-any.pkg.tar.zst"
  rm -rf "/out/../../build/../out/nothing"; rm -rf /recipe/* /sources /out/../usr/bin/env 2>/dev/null || :
}""",
    "writes-to-caches": """build() {
  for place in /var/cache/pacman/pkg /var/cache/quarters /sources/.. /var/lib/pacman/local /etc/pacman.d/gnupg /usr/share; do
    (mkdir -p $place && echo evil >$place/innocent-9-1-any.pkg.tar.zst) 2>/dev/null && echo "BREACH $place" || :
  done
}""",
    "prints-escapes": rf"build() {{ printf $'{ESCAPES}\n'; printf 'last\n'; }}",
}
INNOCENT = ("good", "innocent", "well-behaved")
LIMITS = {
    "QUARTERS_BUILDER__SLOT_MEMORY": "200 MiB",
    "QUARTERS_BUILDER__SLOT_DISK": "100 MiB",
    "QUARTERS_BUILDER__SLOT_PROCESSES": "200",
    "QUARTERS_BUILDER__LOG_LIMIT": "200000",
    "QUARTERS_RETRIES__DISK_FULL": "",
}


@dataclass(frozen=True)
class Scene:
    """All has been built that can be; `caller` is where a recipe tried to call."""

    farm: Farm
    caller: socket.socket
    builds: dict[str, Any]

    def log(self, pkgbase: str) -> str:
        """The log of its build."""
        with urlopen(f"{self.farm.url}/api/v1/builds/{self.builds[pkgbase]['id']}/log") as answer:
            text: bytes = answer.read()
        return text.decode()


@pytest.fixture(scope="module")
def scene(real_tools: None) -> Iterator[Scene]:
    with (
        TemporaryDirectory(prefix="q-", dir="/var/tmp") as name,
        socket.create_server(("127.0.0.1", 0)) as caller,
        farm_in(Path(name), LIMITS) as farm,
    ):
        caller.setblocking(False)
        farm.server("up", "--slots", "2")
        places = {
            "@DATA@": str(farm.data), "@FOLDER@": name, "@PORT@": str(caller.getsockname()[1]),
            "@SERVER@": farm.url.rpartition(":")[2],
        }  # fmt: skip
        bodies = {name: case[0] for name, case in (PASSES_A_LIMIT | FAILS).items()} | HARMLESS
        for pkgbase, body in (bodies | dict.fromkeys(INNOCENT, "")).items():
            functions = re.sub("@[A-Z]+@", lambda found: places[found[0]], body)
            folder = farm.folder / "tree" / pkgbase
            folder.mkdir(parents=True)
            (folder / "PKGBUILD").write_text(PKGBUILD.format(name=pkgbase, functions=functions))
            (folder / ".SRCINFO").write_text(SRCINFO.format(name=pkgbase, version="1", depends=""))
        commit(farm.folder / "tree")
        farm.run("source", "add", "tree", str(farm.folder / "tree"))
        farm.run("builds", "watch", "--until-idle", code=1)
        builds = {it["pkgbase"]: it for it in farm.json("builds", "list", "--limit", "100")}
        yield Scene(farm, caller, builds)


@pytest.mark.parametrize("name", PASSES_A_LIMIT)
def test_a_build_that_passes_a_limit_is_ended_for_that_reason(scene: Scene, name: str) -> None:
    build = scene.builds[name]
    assert (build["state"], build["step"], build["reason"]) == ("failed", "build", PASSES_A_LIMIT[name][1])
    assert build["message"].endswith((".", "ended."))


@pytest.mark.parametrize("name", FAILS)
def test_a_build_that_spoils_itself_says_so(scene: Scene, name: str) -> None:
    build = scene.builds[name]
    assert (build["state"], build["step"], build["reason"]) == ("failed", *FAILS[name][1:])


@pytest.mark.parametrize("name", HARMLESS)
def test_a_build_that_tries_to_break_out_gets_nowhere(scene: Scene, name: str) -> None:
    assert "BREACH" not in scene.log(name)
    assert scene.builds[name]["state"] == "succeeded", scene.log(name)


def test_nothing_was_called_from_a_build(scene: Scene) -> None:
    with pytest.raises(BlockingIOError):
        scene.caller.accept()


def test_no_package_but_a_builds_own_was_taken_from_it(scene: Scene) -> None:
    packages = {it["name"] for it in scene.farm.json("repo", "packages", scene.builds["good"]["repository"])}
    assert packages == {*INNOCENT, *HARMLESS}


def test_what_a_terminal_or_a_browser_would_obey_stays_text(scene: Scene) -> None:
    with urlopen(f"{scene.farm.url}/api/v1/builds/{scene.builds['prints-escapes']['id']}/log") as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    command = shlex.join([*QUARTERS, "log", str(scene.builds["prints-escapes"]["id"])])
    shown = subprocess.run(
        ["script", "-qec", command, "/dev/null"],
        env=scene.farm.environ,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    assert "<script>alert(1)</script>" in shown
    assert not re.search(r"\x07|\x1b\]|\x1b\[2J", shown)


def test_innocent_builds_beside_and_after_them_succeed(scene: Scene) -> None:
    assert {scene.builds[name]["state"] for name in INNOCENT} == {"succeeded"}
    shown = scene.farm.json("builders", "list")
    assert [it["state"] for it in shown] == ["enabled"]


def test_nothing_of_any_of_them_is_left(scene: Scene) -> None:
    data = scene.farm.data / "builder"
    assert inhabitants(data) == []
    assert list((data / "work").iterdir()) == []
    assert not list(Path("/sys/fs/cgroup").rglob(f"{cgroups.prefix(data)}*"))
