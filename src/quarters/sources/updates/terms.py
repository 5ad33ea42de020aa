"""The terms on which a tree's upstreams are followed: the source's settings, the tree's own `.ci/config`, or the default."""

import msgspec

from quarters.model.source import Source
from quarters.sources import ci_config
from quarters.sources.updates.pushing import Committer

PATH = ".ci/config"
_AUTHOR = "Quarters <quarters@localhost>"
_PARALLEL = 8
_DELAY = 0.5


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """Who commits; how many are fetched side by side, how many seconds apart, and the AUR through which proxy."""

    committer: Committer
    parallel: int = _PARALLEL
    delay: float = _DELAY
    proxy: str = ""
    nvchecker_reviewed: bool = False
    publish: str = ""


def terms(source: Source, configuration: str) -> Terms:
    """What holds for a source whose tree has this `.ci/config` ("" for none)."""
    asked, tree = source.updates, ci_config.settings(configuration)
    name, mail = tree.get("GIT_AUTHOR_NAME", ""), tree.get("GIT_AUTHOR_EMAIL", "")
    overwrite = (
        ci_config.is_true(tree, "CI_OVERWRITE_COMMITS") if asked.overwrite is None else asked.overwrite
    )
    manages = "CI_MANAGE_AUR" not in tree or ci_config.is_true(tree, "CI_MANAGE_AUR")
    return Terms(
        committer=Committer(
            author=asked.author or (f"{name} <{mail}>" if name and mail else _AUTHOR),
            message=asked.message,
            overwrite=overwrite,
        ),
        parallel=asked.parallel or int(_number(tree.get("CI_MAX_PARALLEL", ""), _PARALLEL)),
        delay=_number(tree.get("CI_CLONE_DELAY", ""), _DELAY) if asked.delay is None else asked.delay,
        proxy=tree.get("CI_AUR_PROXY", "") if asked.proxy is None else asked.proxy,
        nvchecker_reviewed=ci_config.is_true(tree, "CI_NVCHECKER_REVIEW"),
        publish=asked.publish if manages else "",
    )


def _number(written: str, default: float) -> float:
    try:
        found = float(written)
    except ValueError:
        return default
    return found if 0 <= found <= 3600 else default
