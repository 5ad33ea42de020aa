"""A server whose disk is full."""

import subprocess
from pathlib import Path

from tests.press import Made, package
from tests.system.client import pacman
from tests.system.farm import farm_in


def test_a_publish_to_a_full_disk_is_refused_in_a_sentence_and_the_old_index_is_served(
    folder: Path,
) -> None:
    database = {"QUARTERS_STORAGE__DATABASE": f"sqlite:///{folder / 'quarters.db'}"}
    with farm_in(folder, database) as farm:
        farm.data.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", farm.data], check=True)
        try:
            farm.server()
            farm.run("repo", "create", "own", "--arch", "x86_64")
            farm.run("repo", "publish", "own", str(written(folder, package("old"))))
            filler = farm.data / "filler"
            subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=4k"], capture_output=True, check=False)
            new = written(folder, package("new", text="much to say " * 10_000))
            words = farm.run("repo", "publish", "own", str(new), code=1)
            assert words.count("\n") == 1
            assert "There is no space left" in words
            installing = 'pacman --config "$conf" --noconfirm -Sy old; pacman --config "$conf" -Sl own'
            assert "own old 1.0-1" in pacman(farm, "own", installing)
            filler.unlink()
            farm.run("repo", "publish", "own", str(new))
            said = pacman(farm, "own", 'pacman --config "$conf" --noconfirm -Sy old new')
            assert "installing new..." in said
        finally:
            farm.close()
            subprocess.run(["umount", farm.data], check=True)


def written(folder: Path, made: Made) -> Path:
    path = folder / made.file_name
    path.write_bytes(made.content)
    return path
