"""What build profiles add to the flags of makepkg.conf(5)."""

from collections.abc import Iterable

from quarters.model.repository import Profile

# Position-independent executables are not asked for: compilers of distributions make nothing else, and the flags for it
# would make such an executable of a library.
_HARDENED = """\
CFLAGS+=" -fstack-protector-strong -fstack-clash-protection"
CXXFLAGS+=" -fstack-protector-strong -fstack-clash-protection -Wp,-D_GLIBCXX_ASSERTIONS"
if [[ ${CFLAGS-} != *_FORTIFY_SOURCE* ]]; then
  CFLAGS+=" -O2 -Wp,-D_FORTIFY_SOURCE=3"
  CXXFLAGS+=" -O2 -Wp,-D_FORTIFY_SOURCE=3"
fi
LDFLAGS+=" -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack"
"""
_OF_X86 = """\
CFLAGS+=" -fcf-protection"
CXXFLAGS+=" -fcf-protection"
"""


def flags(profiles: Iterable[Profile], arch: str) -> str:
    """Lines of bash; of flags that contradict each other, compilers follow the last one."""
    is_x86 = arch.startswith("x86_64")
    return "".join(
        _HARDENED + _OF_X86 * is_x86 if it is Profile.HARDENED else _level(it) * is_x86 for it in profiles
    )


def _level(profile: Profile) -> str:
    # As GCC, rustc and Go call the levels of the x86-64 psABI.
    number = profile[-1]
    return f"""\
CFLAGS+=" -march=x86-64-v{number} -mtune=generic"
CXXFLAGS+=" -march=x86-64-v{number} -mtune=generic"
export RUSTFLAGS+=" -C target-cpu=x86-64-v{number}" GOAMD64=v{number}
"""
