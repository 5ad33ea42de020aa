"""Which root the setting `builder.root` names."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from quarters.builder.root.image import Image
from quarters.builder.root.pacstrap import Pacstrap
from quarters.builder.root.provision import Provision, Standing
from quarters.builder.root.renewed import Renewed
from quarters.builder.root.settings import RootSettings
from quarters.builder.roots import DirectoryRoot, HostRoot
from quarters.builder.settings import BuilderSettings

HOST, PACSTRAP, IMAGE = "host", "pacstrap", "image"


def chosen(
    settings: BuilderSettings, root: RootSettings, engine: str, now: Callable[[], datetime]
) -> Provision:
    """What lends roots as `settings` want them; `engine` is the address of the container engine, for images."""
    folder = settings.data / "roots"
    if settings.root == HOST:
        return Standing(HostRoot(folder / HOST))
    if settings.root == PACSTRAP:
        pacstrap = Pacstrap(root, settings.arches[0], settings.data)
        return Renewed(pacstrap, folder / PACSTRAP, root.refresh, now)
    if settings.root == IMAGE:
        return Renewed(Image(root.image, engine), folder / IMAGE, root.refresh, now)
    return Standing(DirectoryRoot(Path(settings.root)))
