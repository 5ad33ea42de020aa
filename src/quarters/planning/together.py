"""What the builds of a rebuild wait for before they become visible together, in words."""

from collections.abc import Sequence

from quarters.model.build import BROKEN, SATISFIED, Build
from quarters.model.rebuild import Rebuild, RebuildState

_SHOWN = 3


def why_not_visible(rebuild: Rebuild, builds: Sequence[Build]) -> str:
    """One sentence for any state of `rebuild`, whose builds are `builds`."""
    match rebuild.state:
        case RebuildState.PUBLISHED:
            return f"It was published. {rebuild.message}".rstrip()
        case RebuildState.DROPPED | RebuildState.MERGED:
            return rebuild.message
        case RebuildState.COMPLETE:
            return "All of it is built; it is about to be published."
        case RebuildState.OPEN:
            return _open(rebuild, builds)


def _open(rebuild: Rebuild, builds: Sequence[Build]) -> str:
    broken = [build for build in builds if build.state in BROKEN]
    if broken:
        how = f"it goes on when that succeeds, or with `quarters rebuilds publish {rebuild.id}` without it"
        return f"Nothing of it is published, since {_listed(broken)}; {how}."
    left = [build for build in builds if build.state not in SATISFIED]
    if left:
        return f"It is published once the rest is built: {_listed(left)}."
    return rebuild.message or "What else has to be built again is being worked out."


def _listed(builds: Sequence[Build]) -> str:
    words = [f"{it.pkgbase} ({it.state.replace('_', ' ')}, build {it.id})" for it in builds[:_SHOWN]]
    if len(builds) > _SHOWN:
        words.append(f"{len(builds) - _SHOWN} more")
    return ", ".join(words)
