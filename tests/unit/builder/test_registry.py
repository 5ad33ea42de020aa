"""Which executor the settings name."""

from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from quarters.builder.executors import registry
from quarters.builder.executors.executor import Executor
from quarters.builder.executors.sandbox import Sandbox
from quarters.builder.failure import BuilderUnusable
from quarters.builder.root.provision import Standing
from quarters.builder.roots import DirectoryRoot
from quarters.builder.settings import BuilderSettings


def made(settings: BuilderSettings) -> Executor:
    """What a plug-in's entry point would name."""
    return Sandbox(settings, Standing(DirectoryRoot(Path(settings.options[0]))))


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package with the executor `elsewhere`, and one that would replace ours."""
    points = [EntryPoint(name, f"{__name__}:made", "quarters.executors") for name in ("elsewhere", "sandbox")]
    monkeypatch.setattr(registry, "entry_points", lambda group: EntryPoints(points).select(group=group))


def ours(settings: BuilderSettings) -> Executor:
    raise AssertionError("ours")


@pytest.mark.usefixtures("plugin")
def test_an_installed_plug_in_makes_its_executor_from_the_builders_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(EntryPoint, "load", lambda self: made)
    chosen = registry.chosen(BuilderSettings(executor="elsewhere", options=("/",)), {"sandbox": ours})
    assert isinstance(chosen, Sandbox)


@pytest.mark.usefixtures("plugin")
def test_a_plug_in_cannot_take_the_name_of_one_of_ours() -> None:
    with pytest.raises(AssertionError, match="ours"):
        registry.chosen(BuilderSettings(), {"sandbox": ours})


def test_a_name_that_no_executor_has_is_told_with_the_nearest_one() -> None:
    with pytest.raises(BuilderUnusable, match=r"no executor contaner\. Did you mean container\?"):
        registry.chosen(BuilderSettings(executor="contaner"), {"container": ours})
