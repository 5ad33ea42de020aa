"""Queues what nobody asked for: a request stands for it only if there is something to say about it."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from quarters.scheduler.enqueue import Order, enqueue
from quarters.scheduler.proposals import Proposal, sentences
from quarters.storage import requests


def queue_unasked(
    connection: Connection, proposal: Proposal, requester: str, packages: Sequence[str], now: datetime
) -> None:
    """Carry `proposal` out for `requester`, who is no person; `packages` are named in the request."""
    number = requests.add(connection, proposal.repository, "", requester, packages, now)
    order = Order(request=number, requester=requester, automatic=True)
    done = [enqueue(connection, plan, recipes, order, now) for plan, recipes in proposal.parts]
    problems = sentences(connection, proposal)
    if problems or any(one.created or one.joined for one in done):
        requests.set_problems(connection, number, problems, now)
    else:
        requests.forget(connection, number)
