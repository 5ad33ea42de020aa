"""Which packages of the AUR satisfy a dependency."""

from collections.abc import Sequence

from quarters.formats.format import Format
from quarters.model.recipe import Dependency, Provision
from quarters.sources.aur import Aur, AurPackage


class Bearers:
    """Asks by name first: the AUR's search for what packages provide takes a request each."""

    def __init__(self, aur: Aur, format_: Format) -> None:
        self._aur = aur
        self._format = format_

    async def find(self, needs: Sequence[Dependency]) -> dict[Dependency, AurPackage]:
        """For each need a package of that name that satisfies it, else the most voted for that provides it."""
        named = await self._aur.info(need.name for need in needs)
        found = {}
        for need in needs:
            candidates = [named[need.name]] if need.name in named else []
            if not self.meet(need, candidates):
                names = [each.name for each in await self._aur.search(need.name, "provides")]
                candidates = list((await self._aur.info(names)).values())
            fit = [each for each in candidates if self.meet(need, [each])]
            if fit:
                found[need] = min(fit, key=lambda each: (-each.num_votes, each.name))
        return found

    def meet(self, need: Dependency, packages: Sequence[AurPackage]) -> bool:
        """Whether one of `packages` satisfies `need`."""
        return any(
            self._format.satisfies(offer, need) for package in packages for offer in self._offers(package)
        )

    def _offers(self, package: AurPackage) -> list[Provision]:
        provided = [self._format.parse_dependency(each) for each in package.provides]
        return [
            Provision(package.name, package.version),
            *(Provision(it.name, it.version) for it in provided),
        ]
