"""Who may publish what to whom: asked before anything is stored."""

from __future__ import annotations

import pytest

from notifier.core.models import Principal
from notifier.errors import Forbidden, InvalidRequest
from tests.core.domain import Domain


def caller(*scopes: str) -> Principal:
    return Principal("shop", is_service=True, scopes=frozenset(scopes))


@pytest.mark.parametrize(
    ("scopes", "body"),
    [
        ([], {"to": "user:ada"}),
        (["notifications:publish:like"], {"to": "user:ada"}),
        (["notifications:publish:info:user"], {"to": "everyone"}),
        (["notifications:publish:info:user"], {"to": ["user:ada", "topic:news"]}),
        (["notifications:publish"], {"to": "user:ada", "type": "guarded"}),
        (["guard:send"], {"to": "user:ada"}),
    ],
)
async def test_what_a_scope_does_not_cover_is_refused(
    domain: Domain, scopes: list[str], body: dict[str, object]
) -> None:
    """As a whole: no audience gets it."""
    with pytest.raises(Forbidden, match="needs the scope"):
        await domain.publisher.publish({"title": "Hello", **body}, caller(*scopes))
    assert domain.bus.announced == []


@pytest.mark.parametrize(
    ("scope", "body"),
    [
        ("notifications:publish", {"to": ["user:ada", "everyone"]}),
        ("notifications:publish:info:user", {"to": "user:ada"}),
        ("notifications:publish:*:topic", {"to": "topic:news", "type": "like"}),
        ("guard:send", {"to": "everyone", "type": "guarded"}),
        ("notifications:admin", {"to": "everyone", "type": "guarded"}),
    ],
)
async def test_what_a_scope_covers_is_published(
    domain: Domain, scope: str, body: dict[str, object]
) -> None:
    """And can be taken back by who published it."""
    shop = caller(scope)
    receipt = await domain.publisher.publish({"title": "Hello", **body}, shop)
    assert domain.bus.announced == list(receipt.entries)
    await domain.publisher.withdraw(receipt.notification_id, shop)


async def test_a_type_is_kept_from_audiences_it_is_not_for(domain: Domain) -> None:
    """That is a mistake in the request, whoever makes it."""
    body = {"to": ["user:ada", "everyone"], "title": "Be my friend", "type": "friend"}
    with pytest.raises(InvalidRequest) as refusal:
        await domain.publisher.publish(body, caller("notifications:admin"))
    assert list(refusal.value.errors) == ["to"]
