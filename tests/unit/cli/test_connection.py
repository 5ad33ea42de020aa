"""Which server commands talk to, and with which token."""

import os
from pathlib import Path

import pytest

from quarters.cli.connection import Connection, find, read, write
from quarters.model.errors import ConfigInvalid, ServerUnreachable

HERE = Connection("http://127.0.0.1:8710", "from-the-file")


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment whose data folder and settings are empty folders."""
    monkeypatch.chdir(tmp_path)
    return {"QUARTERS_STORAGE__DATA": str(tmp_path / "data"), "XDG_CONFIG_HOME": str(tmp_path / "home")}


def test_without_anything_to_go_by_the_sentence_says_what_to_do(environ: dict[str, str]) -> None:
    with pytest.raises(ServerUnreachable, match=r"start one with `quarters up`, or set QUARTERS_URL"):
        find(environ)


def test_what_up_wrote_is_found_in_the_data_folder(environ: dict[str, str], tmp_path: Path) -> None:
    write(HERE, tmp_path / "data" / "client.json")
    assert find(environ) == HERE


def test_only_the_owner_can_read_what_up_wrote(tmp_path: Path) -> None:
    write(HERE, tmp_path / "client.json")
    assert (tmp_path / "client.json").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["client.json"]


def test_the_environment_comes_before_the_file(environ: dict[str, str], tmp_path: Path) -> None:
    write(HERE, tmp_path / "data" / "client.json")
    named = environ | {"QUARTERS_URL": "https://far.example/", "QUARTERS_TOKEN": "mine"}
    assert find(named) == Connection("https://far.example", "mine")


def test_the_token_in_the_file_is_shown_to_no_other_server(environ: dict[str, str], tmp_path: Path) -> None:
    write(HERE, tmp_path / "data" / "client.json")
    assert find(environ | {"QUARTERS_URL": "https://far.example"}).token == ""
    assert find(environ | {"QUARTERS_URL": HERE.url}).token == HERE.token


def test_a_token_alone_goes_to_the_server_in_the_file(environ: dict[str, str], tmp_path: Path) -> None:
    write(HERE, tmp_path / "data" / "client.json")
    assert find(environ | {"QUARTERS_TOKEN": "mine"}) == Connection(HERE.url, "mine")


def test_a_token_can_be_in_a_file(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "token").write_text("mine\n")
    named = environ | {"QUARTERS_URL": HERE.url, "QUARTERS_TOKEN_FILE": str(tmp_path / "token")}
    assert find(named).token == "mine"


def test_a_token_file_that_is_missing_is_named(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigInvalid, match="QUARTERS_TOKEN_FILE: /nowhere cannot be read"):
        find(environ | {"QUARTERS_TOKEN_FILE": "/nowhere"})


def test_the_server_that_was_started_last_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "quarters.toml").write_text(f'[storage]\ndata = "{tmp_path}/data"\n')
    monkeypatch.chdir(tmp_path)
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "home")}
    data, home = tmp_path / "data" / "client.json", tmp_path / "home" / "quarters" / "client.json"
    write(HERE, data)
    write(Connection("http://127.0.0.1:1"), home)
    os.utime(data, (1, 1))
    assert find(environ).url == "http://127.0.0.1:1"
    os.utime(home, (0, 0))
    assert find(environ) == HERE


def test_a_damaged_file_is_an_error_and_not_a_missing_one(tmp_path: Path) -> None:
    (tmp_path / "client.json").write_text("{")
    with pytest.raises(ConfigInvalid, match="is damaged"):
        read(tmp_path / "client.json")
