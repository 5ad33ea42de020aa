"""What of the builder's proxies the commands of a build are told."""

from quarters.builder.command import Command
from quarters.builder.proxies import through_proxies

OPEN = {"HTTPS_PROXY": "http://proxy:3128", "no_proxy": "localhost"}
SECRET = {"https_proxy": "http://ann:secret@proxy:3128"}


def command(*, network: bool, downloading: bool = False) -> Command:
    return Command(arguments=("true",), environment={"A": "1"}, network=network, downloading=downloading)


def test_what_may_use_the_network_goes_through_the_builders_proxies() -> None:
    told = through_proxies(command(network=True), OPEN).environment
    assert told == {
        "A": "1",
        "https_proxy": "http://proxy:3128",
        "HTTPS_PROXY": "http://proxy:3128",
        "no_proxy": "localhost",
        "NO_PROXY": "localhost",
    }


def test_what_has_no_network_is_told_of_no_proxy() -> None:
    assert through_proxies(command(network=False), OPEN) == command(network=False)


def test_the_password_of_a_proxy_is_for_pacman_and_not_for_recipes() -> None:
    assert through_proxies(command(network=True), SECRET).environment == {"A": "1"}
    pacman = through_proxies(command(network=True, downloading=True), SECRET)
    assert pacman.environment["https_proxy"] == SECRET["https_proxy"]
