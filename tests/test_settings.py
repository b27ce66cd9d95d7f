"""Addresses as they may be shown: no password, however badly it is written."""

from __future__ import annotations

import pytest

from notifier.config import load_config
from notifier.settings import without_credentials


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://cache.example:6380/0", "redis://cache.example:6380/0"),
        ("rediss://:SECRET@cache.example", "rediss://cache.example"),
        ("redis://[::1]:6379/0", "redis://[::1]:6379/0"),
        (
            "mongodb://u:SECRET@a.example:27017,b.example/app?replicaSet=rs0",
            "mongodb://a.example:27017,b.example/app",
        ),
        ("mongodb+srv://u:SECRET@db.example/app", "mongodb+srv://db.example/app"),
        ("mongodb://%2Ftmp%2Fmongodb.sock/app", "mongodb://%2Ftmp%2Fmongodb.sock/app"),
        ("amqps://shop:SECRET@mq.example/%2F", "amqps://mq.example/%2F"),
        ("https://id.example/keys?token=SECRET", "https://id.example/keys"),
        ("sqlite:///var/me@home/notifier.db", "sqlite:///var/me@home/notifier.db"),
    ],
)
def test_an_address_is_shown_without_its_credentials(url: str, shown: str) -> None:
    """Scheme, hosts and path stay."""
    assert without_credentials(url) == shown


@pytest.mark.parametrize(
    "url",
    [
        "redis://:SEC@RET/SECRET@cache.example/0",
        "redis://:/SECRET@cache.example/0",
        "mongodb://u:SECRET:SEC@RET@db.example",
        "mongodb://u:SECRET@a,u:SECRET@db.example",
    ],
)
def test_all_up_to_the_last_at_sign_counts_as_credentials(url: str) -> None:
    """A password that is not percent-encoded is left out as a whole."""
    shown = without_credentials(url)
    assert ".example" in shown
    assert "SEC" not in shown


@pytest.mark.parametrize(
    "url",
    [
        "redis://:SEC?RET@SECRET@cache.example",
        "redis://:SEC#RET@cache.example",
        "redis://:SECRET",
        "redis://u:SECRET/0",
        "redis://:SEC?RET",
        "redis://[SECRET/0",
        "mongodb://db.example/app?password=a@SECRET",
        "mongodb://db.example/app?authMechanismProperties=A:B,C:SECRET@D",
    ],
)
def test_where_it_is_not_clear_what_is_what_only_the_scheme_is_shown(url: str) -> None:
    """A host that is not shown is no loss; a password that is shown is one."""
    shown = without_credentials(url)
    assert "SEC" not in shown
    assert shown in ("redis://...", "mongodb://...")


@pytest.mark.parametrize("option", ["password", "tlsCertificateKeyFilePassword"])
def test_options_are_not_shown(option: str) -> None:
    """Some of them are secrets."""
    url = f"mongodb://db.example/app?replicaSet=rs0&{option}=SECRET"
    assert without_credentials(url) == "mongodb://db.example/app"


def test_every_address_can_be_shown() -> None:
    """Those of the store, Redis, RabbitMQ and the keys."""
    config = load_config(
        {
            "NOTIFIER_JWT_SECRET": "S" * 32,
            "NOTIFIER_JWT_AUDIENCE": "app",
            "MONGODB_URI": "mongodb://u:SECRET@db.example/app",
            "REDIS_URL": "redis://:SECRET@cache.example",
            "AMQP_URL": "amqp://u:SECRET@mq.example",
            "NOTIFIER_JWKS_URL": "https://u:SECRET@id.example/keys",
        }
    )
    places = (config.store, config.redis, config.amqp)
    assert [part.place for part in places] + [config.auth.jwks_place] == [
        "mongodb://db.example/app",
        "redis://cache.example",
        "amqp://mq.example",
        "https://id.example/keys",
    ]
    assert "SECRET" not in repr(config)
