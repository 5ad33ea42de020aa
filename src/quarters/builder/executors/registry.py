"""Which executors there are: ours, and those of installed packages with the entry point `quarters.executors`."""

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from importlib.metadata import entry_points

from quarters.builder.executors.executor import Executor
from quarters.builder.failure import BuilderUnusable
from quarters.builder.settings import BuilderSettings

Maker = Callable[[BuilderSettings], Executor]
"""What an entry point names: it gets the section `builder`, in which `options` are the plug-in's own."""


def chosen(settings: BuilderSettings, ours: Mapping[str, Maker], clusters: Iterable[str] = ()) -> Executor:
    """The executor that `settings` name; a plug-in cannot take the name of one of ours, nor of one of `clusters`.

    BuilderUnusable if there is none of that name.
    """
    plugins = {entry.name: entry for entry in entry_points(group="quarters.executors")}
    name = settings.executor
    if name in ours:
        return ours[name](settings)
    if name in plugins and name not in clusters:
        maker: Maker = plugins[name].load()
        return maker(settings)
    known = [*ours, *clusters, *plugins]
    if name in clusters:
        raise BuilderUnusable(
            f"What {name} hands out has to be built by another executor; set --executor there."
        )
    near = get_close_matches(name, known, 1)
    hint = f"Did you mean {near[0]}?" if near else f"There is {', '.join(known)}."
    raise BuilderUnusable(f"There is no executor {name}. {hint}")
