"""The configuration: one TOML file and the environment, parsed once into a frozen section per part."""

import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec

from quarters.builder.cluster.settings import NomadSettings, SlurmSettings
from quarters.builder.engine.settings import ContainerSettings
from quarters.builder.root.settings import RootSettings
from quarters.builder.settings import BuilderSettings
from quarters.model.errors import ConfigInvalid
from quarters.model.size import Size
from quarters.planning.retries import Retries
from quarters.publishing.settings import PublishingSettings
from quarters.scheduler.settings import LogsSettings, SchedulerSettings
from quarters.server.settings import ServerSettings
from quarters.sources.settings import SourcesSettings
from quarters.storage.settings import StorageSettings

_PREFIX = "QUARTERS_"
_FILE = "_FILE"
_SECRET = ("token", "password", "secret")
_MASK = "********"
_PASSWORD = re.compile(r"(://[^:/@]*:)[^@]*@")
_AT = re.compile(r" - at `\$\.?(.*)`$")


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting of every part; each part is handed its own section only."""

    storage: StorageSettings = msgspec.field(default_factory=StorageSettings)
    server: ServerSettings = msgspec.field(default_factory=ServerSettings)
    scheduler: SchedulerSettings = msgspec.field(default_factory=SchedulerSettings)
    retries: Retries = msgspec.field(default_factory=Retries)
    logs: LogsSettings = msgspec.field(default_factory=LogsSettings)
    sources: SourcesSettings = msgspec.field(default_factory=SourcesSettings)
    publishing: PublishingSettings = msgspec.field(default_factory=PublishingSettings)
    builder: BuilderSettings = msgspec.field(default_factory=BuilderSettings)
    root: RootSettings = msgspec.field(default_factory=RootSettings)
    container: ContainerSettings = msgspec.field(default_factory=ContainerSettings)
    slurm: SlurmSettings = msgspec.field(default_factory=SlurmSettings)
    nomad: NomadSettings = msgspec.field(default_factory=NomadSettings)


class Setting(msgspec.Struct, frozen=True):
    """A setting in force and where it comes from: a file, a variable, or "default"; secrets are masked."""

    section: str
    key: str
    value: object
    origin: str


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Read `path` (default: quarters.toml here or in /etc/quarters, if there is one), then let `environ` override it.

    `QUARTERS_SECTION__KEY` sets a value, `QUARTERS_SECTION__KEY_FILE` names a file that holds it. Raises ConfigInvalid
    that names the file or variable and, for an unknown key, the nearest known one.
    """
    return _load(path, environ)[0]


def explain(path: Path | None, environ: Mapping[str, str]) -> list[Setting]:
    """Every setting that `load` arrives at, section by section."""
    config, origins = _load(path, environ)
    return [
        Setting(section, key, _public(key, value), origins.get((section, key), "default"))
        for section, values in msgspec.to_builtins(config, enc_hook=str).items()
        for key, value in values.items()
    ]


def default_file() -> Path | None:
    """The file that is read where none is named, if there is one."""
    places = (Path("quarters.toml"), Path("/etc/quarters/quarters.toml"))
    return next((path for path in places if path.is_file()), None)


def _load(path: Path | None, environ: Mapping[str, str]) -> tuple[Config, dict[tuple[str, str], str]]:
    tables, where = _from_file(path)
    kinds = {field.name: field.type for field in msgspec.structs.fields(Config)}
    for name in tables:
        if name not in kinds:
            raise _unknown(name, kinds, "section", where)
    sections = {name: _section(name, kind, tables.get(name, {}), where) for name, kind in kinds.items()}
    origins = {(name, key): where for name, table in tables.items() for key in table}
    for variable, text in sorted(environ.items()):
        if variable.startswith(_PREFIX) and "__" in variable:
            section, key, value = _setting(variable, text, sections)
            sections[section] = _replaced(sections[section], key, value, variable)
            origins[section, key] = variable
    return Config(**sections), origins


def _public(key: str, value: object) -> object:
    """What may be shown of a setting: no secret, nor the password within a URL."""
    if value and key.rpartition("_")[2] in _SECRET:
        return _MASK
    if isinstance(value, str) and "@" in value and "://" in value:
        return _PASSWORD.sub(rf"\1{_MASK}@", value)
    return value


def _from_file(path: Path | None) -> tuple[dict[str, Any], str]:
    if path is None:
        path = default_file()
    if path is None:
        return {}, ""
    try:
        with path.open("rb") as file:
            return tomllib.load(file), str(path)
    except OSError as error:
        raise ConfigInvalid(f"{path} cannot be read: {error.strerror}.") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigInvalid(f"{path} is not valid TOML: {error}.") from error


def _section(name: str, kind: Any, table: Any, where: str) -> Any:
    if not isinstance(table, dict):
        raise ConfigInvalid(f"{where}: {name} is a section; write [{name}].")
    known = {field.name for field in msgspec.structs.fields(kind)}
    for key in table:
        if key not in known:
            raise _unknown(key, known, f"setting of [{name}]", where)
    try:
        return msgspec.convert(table, kind, dec_hook=_decode)
    except msgspec.ValidationError as error:
        raise ConfigInvalid(f"{where}: [{name}] {_sentence(error)}") from error


def _sentence(error: msgspec.ValidationError) -> str:
    """What msgspec says, with the setting in front instead of a path behind."""
    text = str(error)
    place = _AT.search(text)
    words = text[: place.start()] if place else text
    words = words.replace("Expected", "expected", 1).replace("`", "")
    return f"{place[1]}: {words}." if place and place[1] else f"{words}."


def _setting(variable: str, text: str, sections: Mapping[str, Any]) -> tuple[str, str, str]:
    section, _, key = variable.removeprefix(_PREFIX).lower().partition("__")
    if section not in sections:
        raise _unknown(section, sections, "section", variable)
    known = {field.name for field in msgspec.structs.fields(type(sections[section]))}
    if key not in known and key.upper().endswith(_FILE) and key[: -len(_FILE)] in known:
        try:
            return section, key[: -len(_FILE)], Path(text).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigInvalid(f"{variable}: {text} cannot be read: {error.strerror}.") from error
    if key not in known:
        raise _unknown(key, known, f"setting of [{section}]", variable)
    return section, key, text


def _replaced(section: Any, key: str, text: str, variable: str) -> Any:
    field = next(f for f in msgspec.structs.fields(type(section)) if f.name == key)
    # In the environment a list is written with commas.
    value: Any = text
    if getattr(field.type, "__origin__", None) in (tuple, list):
        value = [part.strip() for part in text.split(",") if part.strip()]
    try:
        converted = msgspec.convert(value, field.type, strict=False, dec_hook=_decode)
    except msgspec.ValidationError as error:
        raise ConfigInvalid(f"{variable}: {_sentence(error)}") from error
    return msgspec.structs.replace(section, **{key: converted})


def _decode(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str):
        return Path(value).expanduser()
    if kind is Size and isinstance(value, (int, str)):
        return Size.of(value)
    raise ValueError(f"Expected {'path' if kind is Path else kind.__name__}, got {type(value).__name__}")


def _unknown(key: str, known: Mapping[str, Any] | set[str], what: str, where: str) -> ConfigInvalid:
    near = get_close_matches(key, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(sorted(known))}."
    return ConfigInvalid(f"{where}: {key} is not a {what}{hint}")
