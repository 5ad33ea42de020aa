"""`quarters token`: who may do what."""

from typing import Annotated

from cyclopts import App, Parameter

from quarters.cli import output
from quarters.cli.connection import connect, everything
from quarters.cli.output import Json, Yes
from quarters.model.token import Scope, Token
from quarters.protocol.resources import NewToken

app = App(name="token")


@app.command
async def create(
    name: Annotated[str, Parameter(help="Whose it is; a builder's token bears the builder's name.")],
    /,
    *,
    scope: Annotated[Scope, Parameter(help="What it allows; admin allows everything.")] = Scope.READ,
    days: Annotated[
        int | None, Parameter(help="How long it is valid; without it, until it is revoked.")
    ] = None,
    json: Json = False,
) -> None:
    """Create a token and print its secret, which is shown this once."""
    async with connect() as client:
        made = await client.tokens.create(NewToken(name=name, scope=scope, days=days))
    return output.show(made) if json else output.say(made.secret)


@app.command(name="list")
async def list_(*, json: Json = False) -> None:
    """List the tokens, without their secrets."""
    async with connect() as client:
        found = await everything(lambda cursor: client.tokens.list(cursor=cursor))
    if json:
        return output.show(found)
    return output.table(
        (">TOKEN", "NAME", "SCOPE", "STATE", "CREATED", "LAST USED"),
        (
            (it.id, it.name, it.scope, _standing(it), output.ago(it.created_at), output.ago(it.last_used_at))
            for it in found
        ),
        empty="There is no token.",
    )


@app.command
async def revoke(
    token: Annotated[int, Parameter(help="Its number in the list.")],
    /,
    *,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """End a token's life at once."""
    if not output.confirmed(f"Revoke token {token}?", yes=yes):
        return
    async with connect() as client:
        await client.tokens.revoke(token)
    output.gone(token, f"Token {token} is revoked.", json=json)


def _standing(it: Token) -> str:
    if it.revoked_at is not None:
        return f"revoked {output.ago(it.revoked_at)}"
    return "valid" if it.expires_at is None else f"until {it.expires_at:%Y-%m-%d}"
