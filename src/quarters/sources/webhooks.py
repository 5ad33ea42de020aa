"""What forges send when somebody pushes: whether it is theirs, and whether it is about the branch that is followed.

GitHub, Gitea and Forgejo sign the body: X-Hub-Signature-256 is `sha256=` and the hexadecimal HMAC, X-Gitea-Signature and
X-Forgejo-Signature are the bare HMAC. GitLab sends the secret itself as X-Gitlab-Token.
"""

import hmac
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

import msgspec

_EVENTS = ("x-github-event", "x-forgejo-event", "x-gitea-event", "x-gitlab-event")
_FORM = b"payload="
_PUSHES = frozenset({"push", "push hook"})


class _Push(msgspec.Struct):
    ref: str = ""


def authentic(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether somebody who knows `secret` sent `body`; `headers` by their names in lower case."""
    token = headers.get("x-gitlab-token")
    if token is not None:
        return hmac.compare_digest(token.encode(), secret.encode())
    expected = hmac.new(secret.encode(), body, "sha256").hexdigest()
    given = headers.get("x-hub-signature-256", "").removeprefix("sha256=")
    for name in ("x-gitea-signature", "x-forgejo-signature"):
        given = given or headers.get(name, "")
    return hmac.compare_digest(given.encode(), expected.encode())


def concerns(headers: Mapping[str, str], body: bytes, branch: str) -> bool:
    """Whether it tells of a push to `branch` ("" for the default one, whichever that is); a ping does not."""
    event = next((headers[name].lower() for name in _EVENTS if name in headers), "push")
    if event not in _PUSHES:
        return False
    # GitHub may be set to send the JSON as the only field of a form.
    if body.startswith(_FORM):
        body = unquote_to_bytes(body.removeprefix(_FORM).replace(b"+", b" "))
    try:
        ref = msgspec.json.decode(body, type=_Push).ref
    except msgspec.DecodeError:
        return True
    return not (branch and ref) or ref == f"refs/heads/{branch}"
