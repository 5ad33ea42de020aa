"""The files that every build's root has of its own, whatever the clean root is."""

import os
from collections.abc import Callable, Mapping

from quarters.builder import dependencies, makepkg
from quarters.builder.roots import with_build_user
from quarters.builder.settings import BuilderSettings
from quarters.protocol.builds import Assignment


def files(assignment: Assignment, settings: BuilderSettings, read: Callable[[str], str]) -> Mapping[str, str]:
    """Texts by their paths in the root; `read` gives those of the clean root, "" where it has none."""
    users = with_build_user(read)
    jobs = max(1, (settings.cores or os.cpu_count() or 1) // settings.slots)
    return {
        "etc/passwd": users.passwd,
        "etc/group": users.group,
        "etc/resolv.conf": "",
        makepkg.CONFIGURATION: makepkg.configuration(jobs, assignment),
        dependencies.PLAIN_CONFIGURATION: dependencies.plain_configuration(assignment.arch),
        dependencies.CONFIGURATION: dependencies.configuration(assignment, settings.server),
    }
