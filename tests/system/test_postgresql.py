"""A part of the whole way with the server on PostgreSQL."""

import subprocess
from pathlib import Path
from uuid import uuid4

import psycopg

from tests.system.client import pacman
from tests.system.farm import farm_in, killed


def test_the_whole_way_on_postgresql(postgresql: str, folder: Path, project: Path) -> None:
    name = f"test_{uuid4().hex}"
    with psycopg.connect(f"{postgresql}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    with farm_in(folder, {"QUARTERS_STORAGE__DATABASE": f"{postgresql}/{name}"}) as farm:
        subprocess.run([project / "examples" / "make-repository", folder / "tree"], check=True)
        farm.server("up")
        farm.run("source", "add", "examples", str(folder / "tree"), "--no-automatic")
        farm.run("builds", "watch", "--until-idle")
        farm.run("build", "greet-gen", "--follow")
        killed(farm.serving)
        farm.server("up")
        built = {it["pkgbase"]: (it["state"], it["attempt"]) for it in farm.json("builds", "list")}
        assert built == {"libgreet": ("succeeded", 1), "greet-gen": ("succeeded", 1)}
        said = pacman(farm, "quarters", 'pacman --config "$conf" --noconfirm -Sy greet-gen')
        assert "installing libgreet..." in said
        assert "installing greet-gen..." in said
        assert not list(farm.data.glob("*.db"))
