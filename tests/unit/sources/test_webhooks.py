"""What forges send, read as each of them writes it."""

import hmac
from urllib.parse import urlencode

import pytest

from quarters.sources.webhooks import authentic, concerns

MAIN, NEXT = b'{"ref": "refs/heads/main"}', b'{"ref": "refs/heads/next"}'


def form(body: bytes) -> bytes:
    """As GitHub sends it where its content type is left as it is at first."""
    return urlencode({"payload": body.decode()}).encode()


@pytest.mark.parametrize("written", [bytes, form])
def test_a_push_to_another_branch_is_none_of_ours_however_it_is_written(written: type[bytes]) -> None:
    headers = {"x-github-event": "push"}
    assert concerns(headers, written(MAIN), "main")
    assert not concerns(headers, written(NEXT), "main")
    assert concerns(headers, written(NEXT), "")


def test_what_cannot_be_read_is_a_reason_to_look() -> None:
    assert concerns({}, b"payload=%7Bnonsense", "main")
    assert concerns({}, b"\xff", "main")


def test_a_form_is_proved_by_its_bytes_as_they_were_sent() -> None:
    body = form(MAIN)
    told = hmac.new(b"secret", body, "sha256").hexdigest()
    assert authentic("secret", {"x-hub-signature-256": f"sha256={told}"}, body)
    assert not authentic("secret", {"x-hub-signature-256": f"sha256={told}"}, MAIN)


def test_a_token_that_is_no_ascii_is_only_a_wrong_one() -> None:
    assert not authentic("secret", {"x-gitlab-token": "s\u00e9cret"}, MAIN)
    assert not authentic("secret", {"x-hub-signature-256": "sha256=\u00e9"}, MAIN)
