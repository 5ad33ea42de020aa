"""Reviews: list, show, decide."""

from typing import Annotated

from litestar import Router, get, post
from litestar.params import JSONBody, QueryParameter

from quarters.model.review import Review, ReviewState
from quarters.model.token import Scope
from quarters.protocol.resources import Page
from quarters.protocol.reviews import Decision, ReviewFilter, ReviewView
from quarters.server.routes import API, LIMIT, Actor, Cursor, Given, Id, Limit, OfName, needs

InState = Annotated[ReviewState | None, QueryParameter(name="state")]


@get("/", **needs(Scope.READ, "listReviews"))
async def list_reviews(
    services: Given,
    now: InState = None,
    source: OfName = None,
    limit: Limit = LIMIT,
    cursor: Cursor = None,
) -> Page[Review]:
    """Changes of recipes that wait for a decision or had one, the newest first."""
    return await services.reviews.list(ReviewFilter(state=now, source=source), limit, cursor)


@get("/{number:int}", **needs(Scope.READ, "showReview", 404))
async def show_review(services: Given, number: Id) -> ReviewView:
    """One review, with the change as a unified diff and what in it deserves a second look."""
    return await services.reviews.show(number)


@post("/{number:int}/decision", status_code=200, **needs(Scope.ADMIN, "decideReview", 404, 409, 413))
async def decide_review(services: Given, actor: Actor, number: Id, data: JSONBody[Decision]) -> Review:
    """Approve a change, which is then taken, or reject it, so that it never comes."""
    return await services.reviews.decide(number, data, actor)


def router() -> Router:
    """The routes of this resource."""
    return Router(
        f"{API}/reviews", route_handlers=[list_reviews, show_review, decide_review], tags=["reviews"]
    )
