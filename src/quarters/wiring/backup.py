"""What backs a server up and puts it back, made by hand; a backup works beside the server's own process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from quarters.config import Config
from quarters.formats.pacman import Pacman
from quarters.model.errors import Invalid, NotFound
from quarters.publishing.index import IndexWriter
from quarters.publishing.rebuild import Rebuilder, Rebuilding
from quarters.publishing.swap import Swap
from quarters.storage.backup import manifest, restoring
from quarters.storage.backup.making import Made, Maker, Wishes
from quarters.storage.backup.manifest import Backup
from quarters.storage.backup.restoring import Restored, Restorer
from quarters.storage.database import Database
from quarters.storage.package_files import PackageFiles
from quarters.storage.public import PublicTree
from quarters.storage.wakeups import Wakeups
from quarters.wiring.data_folder import claimed
from quarters.wiring.keys import keyring


async def back_up(config: Config, target: Path, wishes: Wishes) -> Made:
    """Back up the server of this configuration into the folder `target`; NotFound where there is none."""
    data = config.storage.data.absolute()
    if wishes.kept is not None and wishes.kept < 1:
        raise Invalid("At least one backup is to be kept.")
    async with _existing(config) as database:
        return await Maker(database, data, target.absolute(), wishes, _now).make()


def check(target: Path, name: str | None) -> Backup:
    """The backup, if every file of it is what was written; NotFound, BackupDamaged."""
    backup = manifest.read(target, name)
    restoring.check(backup, target)
    return backup


async def restore(config: Config, target: Path, name: str | None) -> Restored:
    """Restore a backup into the data folder, which has to be empty; NotFound, BackupDamaged, Conflict."""
    data = config.storage.data.absolute()
    backup = manifest.read(target, name)
    restoring.require_empty(data)
    database = partial(Database, config.storage.database_url)
    with claimed(data):
        return await Restorer(database, data, target, _now).restore(backup)


async def rebuild(config: Config, repository: str | None) -> Rebuilding:
    """Rebuild a lost database from the package files in the data folder; Conflict, NotFound, DataFolderBusy."""
    data = config.storage.data.absolute()
    if not (data / "packages").is_dir():
        raise NotFound(f"There are no package files in {data}; name the data folder with --data.")
    with claimed(data):
        database, formats, keys = Database(config.storage.database_url), {"pacman": Pacman()}, keyring(config)
        keys.ensure()
        await database.open()
        try:
            index = IndexWriter(data / "index", database, formats, keys)
            swap = Swap(database, Wakeups(), index, PublicTree(data / "public"), _now)
            files = PackageFiles(data / "packages")
            done = await Rebuilder(database, files, index, keys, formats, swap).rebuild(repository)
            await swap.tidied()
            return done
        finally:
            await database.close()


@asynccontextmanager
async def _existing(config: Config) -> AsyncIterator[Database]:
    storage = config.storage
    if not storage.data.is_dir() or not (storage.database or (storage.data / "quarters.db").is_file()):
        raise NotFound(f"There is no server's data in {storage.data}; name its folder with --data.")
    database = Database(storage.database_url)
    await database.open(upgrade=False)
    try:
        yield database
    finally:
        await database.close()


def _now() -> datetime:
    return datetime.now(UTC)
