"""What the addresses of repository files mean."""

import pytest

from quarters.model.errors import NotFound
from quarters.server.files.address import Asked, asked, is_file


@pytest.mark.parametrize(
    ("url", "meaning"),
    [
        (b"/repo/own/x86_64/own.db", Asked("own", None, "x86_64", "own.db")),
        (b"/repo/own@12/x86_64/own.db", Asked("own", 12, "x86_64", "own.db")),
        (b"/repo/own/x86_64/a-1%3A1-1-any.pkg", Asked("own", None, "x86_64", "a-1:1-1-any.pkg")),
        (b"/repo/own/x86_64/a?b=c", Asked("own", None, "x86_64", "a")),
        (b"http://here:80/repo/own/x86_64/a", Asked("own", None, "x86_64", "a")),
    ],
)
def test_an_address_names_repository_snapshot_architecture_and_file(url: bytes, meaning: Asked) -> None:
    assert is_file(url)
    assert asked(url) == meaning


@pytest.mark.parametrize(
    "url",
    [b"/repo/", b"/repo/own/x86_64/", b"/repo/own/x86_64/.a", b"/repo/own/x86_64/a%2Fb", b"/repo/own/%FF/a",
     b"/repo/../x86_64/a", b"/repo/own@x@1/x86_64/a"],
)  # fmt: skip
def test_what_names_no_file_is_not_found(url: bytes) -> None:
    assert is_file(url)
    with pytest.raises(NotFound):
        asked(url)


@pytest.mark.parametrize(
    "url", [b"/", b"*", b"/api/v1/builds", b"/repository/own", b"http://here/api/v1", b"http:"]
)
def test_everything_else_is_not_for_the_file_server(url: bytes) -> None:
    assert not is_file(url)
