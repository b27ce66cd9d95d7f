"""Clients of Redis: what is wrong with an address is told when one is made."""

from __future__ import annotations

import pytest

from notifier.errors import ConfigurationError
from notifier.redis.client import connect


@pytest.mark.parametrize(
    "url",
    [
        "redis://:SECRET@127.0.0.1/0?unheard_of=1",
        "redis://:SECRET@127.0.0.1/0?socket_timeout=long",
        "redis://:SECRET@127.0.0.1/0?decode_responses=true",
        "redis://:SEC?RET=SECRET@127.0.0.1/0",
        "redis://:SECRET/or/not@127.0.0.1/0",
        "redis://[SECRET@127.0.0.1/0",
    ],
)
def test_an_address_that_cannot_work_is_refused_at_once(url: str) -> None:
    """Not when a task connects, which would end by it. Nothing of the password is repeated."""
    with pytest.raises(ConfigurationError) as caught:
        connect(url)
    assert str(caught.value).startswith("REDIS_URL: ")
    assert "SEC" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_options_that_redis_py_knows_are_taken() -> None:
    """As they were."""
    client = connect("redis://127.0.0.1/3?health_check_interval=20")
    assert client.connection_pool.connection_kwargs["health_check_interval"] == 20
