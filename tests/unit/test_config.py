"""The configuration: what a file and the environment make of the defaults, and what is said about mistakes."""

from pathlib import Path

import pytest

from quarters.config import Setting, explain, load
from quarters.model.errors import ConfigInvalid


@pytest.fixture(autouse=True)
def _no_file_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def written(folder: Path, text: str) -> Path:
    path = folder / "some.toml"
    path.write_text(text)
    return path


def complaint(path: Path | None, environ: dict[str, str]) -> str:
    with pytest.raises(ConfigInvalid) as caught:
        load(path, environ)
    return str(caught.value)


def test_defaults_suffice() -> None:
    assert load(None, {}).server.host == "127.0.0.1"


def test_a_file_overrides_defaults_and_the_environment_overrides_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, '[server]\nport = 1\nhost = "::"\n')
    config = load(path, {"QUARTERS_SERVER__PORT": "2", "PATH": "/bin", "QUARTERS_URL": "http://x"})
    assert (config.server.port, config.server.host) == (2, "::")


def test_quarters_toml_in_the_working_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "quarters.toml").write_text("[builder]\nslots = 7\n")
    assert load(None, {}).builder.slots == 7


def test_a_variable_can_name_a_file_that_holds_the_value(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hush\n")
    config = load(None, {"QUARTERS_BUILDER__TOKEN_FILE": str(tmp_path / "secret")})
    assert config.builder.token == "hush"


def test_lists_in_the_environment_are_written_with_commas() -> None:
    assert load(None, {"QUARTERS_BUILDER__ARCHES": "x86_64, any"}).builder.arches == ("x86_64", "any")


def test_a_path_may_begin_with_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert load(None, {"QUARTERS_STORAGE__DATA": "~/packages"}).storage.data == Path("/home/ada/packages")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[server]\nprot = 1\n", "prot is not a setting of [server]; did you mean port?"),
        ("[sever]\nport = 1\n", "sever is not a section; did you mean server?"),
        ("[server]\nzzz = 1\n", "zzz is not a setting of [server]; known are "),
        ('[server]\nport = "x"\n', "[server] port: expected int, got str."),
        ("[storage]\ndata = 3\n", "[storage] data: expected path, got int."),
        ("server = 1\n", "server is a section; write [server]."),
        ("[server\n", "is not valid TOML"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_what_was_meant(tmp_path: Path, text: str, sentence: str) -> None:
    said = complaint(written(tmp_path, text), {})
    assert sentence in said
    assert said.startswith(str(tmp_path / "some.toml"))


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("QUARTERS_SERVER__PROT", "1", "prot is not a setting of [server]; did you mean port?"),
        ("QUARTERS_SEVER__PORT", "1", "sever is not a section; did you mean server?"),
        ("QUARTERS_SERVER__PORT", "x", "expected int, got str."),
        ("QUARTERS_SERVER__PORT_FILE", "/nowhere", "/nowhere cannot be read: No such file or directory."),
    ],
)
def test_a_mistake_in_the_environment_names_the_variable(variable: str, value: str, sentence: str) -> None:
    assert complaint(None, {variable: value}) == f"{variable}: {sentence}"


def test_a_file_that_is_named_has_to_be_there() -> None:
    assert complaint(Path("/nowhere.toml"), {}) == "/nowhere.toml cannot be read: No such file or directory."


def test_every_setting_says_where_it_comes_from(tmp_path: Path) -> None:
    path = written(tmp_path, "[server]\nport = 1\n")
    settings = {(it.section, it.key): it for it in explain(path, {"QUARTERS_SERVER__HOST": "::"})}
    assert settings["server", "port"] == Setting("server", "port", 1, str(path))
    assert settings["server", "host"] == Setting("server", "host", "::", "QUARTERS_SERVER__HOST")
    assert settings["builder", "slots"].origin == "default"


def test_secrets_are_not_shown() -> None:
    environ = {
        "QUARTERS_BUILDER__TOKEN": "hush",
        "QUARTERS_STORAGE__DATABASE": "postgresql://me:hush@host/name",
    }
    settings = {(it.section, it.key): it.value for it in explain(None, environ)}
    assert settings["builder", "token"] == "********"
    assert settings["storage", "database"] == "postgresql://me:********@host/name"
    assert "hush" not in str(settings)
