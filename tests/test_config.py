"""Settings come from files and the environment, are checked together, and are frozen."""

from __future__ import annotations

import asyncio
import json
import shutil
import stat
import sys
from collections.abc import Mapping
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest

from notifier.app import open_node
from notifier.config import MADE_SECRET, load_config
from notifier.core.types import TypeCatalogue
from notifier.errors import ConfigurationError
from notifier.resources import config_folder
from notifier.settings import LimitsConfig

SECRET = "0123456789abcdef0123456789abcdef"
PRODUCTION = {
    "NOTIFIER_ENV": "production",
    "NOTIFIER_JWT_SECRET": SECRET,
    "NOTIFIER_ALLOWED_ORIGINS": "https://app.example",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run in an empty folder: a made secret is kept in the working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def files(folder: Path) -> Path:
    """A copy of the shipped settings, to be spoilt."""
    return Path(shutil.copytree(config_folder(), folder / "config"))


def problems(environ: Mapping[str, str], files: Path | None = None) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        load_config(environ, folder=files)
    return caught.value.problems


def only_problem(environ: Mapping[str, str], files: Path | None = None) -> str:
    (problem,) = problems(environ, files)
    return problem


def test_nothing_set_means_development() -> None:
    """Without any setting: SQLite, one node, the demo, no limits by address, this machine only."""
    config = load_config({})
    assert config.env == "development"
    assert config.store.url == "sqlite:///var/notifier.db"
    assert config.redis.url is None
    assert config.demo.enabled
    assert (config.server.host, config.server.port) == ("127.0.0.1", 8080)
    assert config.server.allowed_origins == ()
    assert config.limits.connections_per_address == config.limits.connects_per_address == 0


def test_the_limits_are_those_of_the_protocol() -> None:
    """Production has the documented limits."""
    limits = load_config(PRODUCTION).limits
    assert (limits.connections, limits.connections_per_user) == (50_000, 20)
    assert (limits.connections_per_address, limits.connects_per_address) == (200, 100)
    assert (limits.packets_per_second, limits.max_packet) == (20, 65_536)
    assert (limits.outbox_bytes, limits.outbox_seconds) == (1_048_576, 10)
    assert (limits.publishes_per_second, limits.requests_per_minute) == (200, 300)


def test_a_secret_is_made_once() -> None:
    """The made secret is long, kept, readable by the owner alone, and the same the next time."""
    (secret,) = load_config({}).auth.secrets
    assert len(secret.encode()) >= 32
    assert stat.S_IMODE(MADE_SECRET.stat().st_mode) == 0o600
    assert load_config({}).auth.secrets == (secret,)
    assert [path.name for path in MADE_SECRET.parent.iterdir()] == ["secret"]


def test_no_secret_is_made_when_one_is_given() -> None:
    """A given secret leaves no file behind."""
    assert load_config({"NOTIFIER_JWT_SECRET": SECRET}).auth.secrets == (SECRET,)
    assert not MADE_SECRET.exists()


def test_a_folder_that_cannot_hold_a_secret_is_a_problem(folder: Path) -> None:
    """Where no secret can be kept the problem tells the way out."""
    (folder / "var").write_text("a file where the folder should be")
    assert "NOTIFIER_JWT_SECRET" in only_problem({})


def test_named_variables_set_their_settings() -> None:
    """Every variable with a name of its own reaches its setting."""
    config = load_config(
        PRODUCTION
        | {
            "PORT": "81",
            "NOTIFIER_STORE": "sqlite:///other.db",
            "REDIS_URL": "rediss://cache.example:6380",
            "AMQP_URL": "amqps://shop:hunter2@mq.example/app",
            "NOTIFIER_JWKS_URL": "https://id.example/keys",
            "NOTIFIER_JWT_ISSUER": "id",
            "NOTIFIER_JWT_AUDIENCE": "app",
            "NOTIFIER_ALLOWED_ORIGINS": "https://a.example, http://localhost:3000",
        }
    )
    assert config.server.port == 81
    assert config.store.url == "sqlite:///other.db"
    assert config.redis.url == "rediss://cache.example:6380"
    assert config.amqp.url == "amqps://shop:hunter2@mq.example/app"
    assert config.amqp.place == "amqps://mq.example/app"
    assert "hunter2" not in repr(config)
    assert config.auth.jwks_url == "https://id.example/keys"
    assert (config.auth.issuer, config.auth.audience) == ("id", "app")
    assert config.server.allowed_origins == ("https://a.example", "http://localhost:3000")


def test_rabbitmq_is_found_where_hosts_announce_it() -> None:
    """CLOUDAMQP_URL counts, unless AMQP_URL says something else."""
    given = {"CLOUDAMQP_URL": "amqps://cloud.example"}
    assert load_config({}).amqp.url is None
    assert load_config(given).amqp.url == "amqps://cloud.example"
    assert load_config({**given, "AMQP_URL": "amqp://mq"}).amqp.url == "amqp://mq"


def test_rabbitmq_without_its_library_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the variable that gave the address, and what to install; not the address."""
    monkeypatch.setitem(sys.modules, "aio_pika", None)
    problem = only_problem({"AMQP_URL": "amqp://shop:hunter2@mq"})
    assert problem == "AMQP_URL: Needs aio-pika: pip install 'notifier[amqp]'."
    assert load_config({}).amqp.url is None


def test_mongodb_uri_wins_over_the_store_variable() -> None:
    """Hosts set MONGODB_URI by themselves; it is what counts."""
    given = {"NOTIFIER_STORE": "sqlite:///x.db", "MONGODB_URI": "mongodb://db.example/app"}
    assert load_config(given).store.url == "mongodb://db.example/app"


def test_several_secrets_keep_their_order() -> None:
    """The first signs, so the order counts."""
    given = {"NOTIFIER_JWT_SECRET": f"{SECRET}new,{SECRET}old"}
    assert load_config(given).auth.secrets == (f"{SECRET}new", f"{SECRET}old")


def test_a_secret_may_hold_commas() -> None:
    """In a list in JSON nothing is cut in two; what only begins like one is refused."""
    secrets = (f"{SECRET},new", f"[{SECRET}] old")
    given = {"NOTIFIER_JWT_SECRET": json.dumps(secrets)}
    assert load_config(given).auth.secrets == secrets
    with pytest.raises(ConfigurationError) as refusal:
        load_config({"NOTIFIER_JWT_SECRET": f"[{SECRET}"})
    assert "NOTIFIER_JWT_SECRET" in str(refusal.value)
    assert SECRET not in str(refusal.value)


def test_any_setting_can_be_overridden() -> None:
    """NOTIFIER_SECTION__KEY overrides numbers, flags and texts of the files."""
    config = load_config(
        {
            "NOTIFIER_LIMITS__CONNECTIONS": "7",
            "NOTIFIER_DEMO__ENABLED": "false",
            "NOTIFIER_SERVER__HOST": "127.0.0.2",
            "NOTIFIER_ENGINE__PING_INTERVAL": "0.5",
        }
    )
    assert config.limits.connections == 7
    assert config.demo.enabled is False
    assert config.server.host == "127.0.0.2"
    assert config.engine.ping_interval == 0.5


@pytest.mark.parametrize("name", ["NOTIFIER_JWT_SECRET_FILE", "NOTIFIER_AUTH__SECRETS_FILE"])
def test_a_value_can_come_from_a_file(name: str, folder: Path) -> None:
    """NAME_FILE reads the value from a file, without the line end editors add."""
    (folder / "key").write_text(SECRET + "\n")
    assert load_config({name: str(folder / "key")}).auth.secrets == (SECRET,)


def test_a_value_and_its_file_exclude_each_other() -> None:
    """Two places for one value are a problem, not a surprise."""
    given = {"PORT": "1", "PORT_FILE": "port"}
    assert only_problem(given) == "PORT and PORT_FILE: set only one of them"


def test_a_missing_value_file_is_a_problem() -> None:
    """A file that cannot be read is named."""
    assert only_problem({"PORT_FILE": "gone"}) == "PORT_FILE: the file gone cannot be read"


def test_an_empty_variable_is_not_set() -> None:
    """REDIS_URL= in a compose file means that there is none."""
    assert load_config({"REDIS_URL": "", "PORT": ""}).redis.url is None


def test_an_unknown_variable_is_a_problem() -> None:
    """A misspelt variable stops the program and is told its right name."""
    expected = "NOTIFIER_STOER: there is no such setting; did you mean NOTIFIER_STORE?"
    assert only_problem({"NOTIFIER_STOER": "x"}) == expected


def test_the_key_for_sending_is_no_setting() -> None:
    """NOTIFIER_KEY belongs to the command line and does not disturb."""
    load_config({"NOTIFIER_KEY": "nk_x"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NOTIFIER_SERVICE_HOST", "10.0.0.1"),
        ("NOTIFIER_SERVICE_PORT_HTTP", "80"),
        ("NOTIFIER_PORT", "tcp://10.0.0.1:80"),
        ("NOTIFIER_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("NOTIFIER_REDIS_SERVICE_PORT", "6379"),
    ],
)
def test_service_links_of_kubernetes_do_not_disturb(name: str, value: str) -> None:
    """A service called notifier puts variables into every container that are not meant for us."""
    load_config({name: value})


def test_a_port_in_a_wrong_variable_is_not_taken_for_a_service_link() -> None:
    """NOTIFIER_PORT=8080 is a mistake of a person."""
    assert only_problem({"NOTIFIER_PORT": "8080"}).startswith("NOTIFIER_PORT: there is no such")


def test_an_unknown_key_in_a_file_is_a_problem(files: Path) -> None:
    """Keys and sections in files are checked as well."""
    (files / "development.toml").write_text("[limits]\nconection = 1\n[serverr]\nport = 1\n")
    assert problems({}, files) == (
        "development.toml: [limits] conection: there is no such setting; did you mean connections?",
        "development.toml: there is no section [serverr]; did you mean server?",
    )


def test_a_file_that_is_no_toml_is_a_problem(files: Path) -> None:
    """The file and the line are named."""
    (files / "development.toml").write_text("[limits\n")
    problem = only_problem({}, files)
    assert "development.toml" in problem
    assert "line 1" in problem


def test_a_wrong_type_row_is_a_problem(files: Path) -> None:
    """The catalogue is checked with the rest, and the row and key are named."""
    types = files / "types.toml"
    types.write_text(types.read_text() + '\n[late]\nlabel = "Late"\ncolor = "mauve"\n')
    assert only_problem({}, files).startswith("types.toml: [late] color: ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "eighty"),
        ("PORT", "65536"),
        ("PORT", "80.5"),
        ("NOTIFIER_ENV", "staging"),
        ("NOTIFIER_STORE", "postgres://user:hunter2@db"),
        ("REDIS_URL", "http://user:hunter2@cache"),
        ("NOTIFIER_JWKS_URL", "id.example"),
        ("NOTIFIER_ALLOWED_ORIGINS", "https://app.example/page"),
        ("NOTIFIER_ALLOWED_ORIGINS", "*"),
        ("NOTIFIER_DEMO__ENABLED", "perhaps"),
        ("NOTIFIER_LIMITS__CONNECTIONS", "-1"),
        ("NOTIFIER_ENGINE__PING_INTERVAL", "0"),
        ("NOTIFIER_LOG__LEVEL", "loud"),
        ("NOTIFIER_REDIS__CHANNEL", "a b"),
    ],
)
def test_a_wrong_value_is_named_and_not_repeated(name: str, value: str) -> None:
    """The problem names the variable; the value, which may hold a password, stays out."""
    problem = only_problem({name: value})
    assert problem.startswith(f"{name}: ")
    assert "hunter2" not in problem


@pytest.mark.parametrize("key", ["max_packet", "outbox_bytes", "outbox_seconds"])
def test_what_bounds_memory_cannot_be_switched_off(key: str) -> None:
    """Unlike the other limits: a node would not start with it, or not end for it."""
    name = f"NOTIFIER_LIMITS__{key}".upper()
    assert only_problem({name: "0"}) == f"{name}: Must be at least 1: it cannot be switched off."


def test_every_other_limit_can_be_switched_off(tmp_path: Path) -> None:
    """And a node starts with it."""
    others = {entry.name for entry in fields(LimitsConfig)}
    others -= {"max_packet", "outbox_bytes", "outbox_seconds"}
    given = {f"NOTIFIER_LIMITS__{name}".upper(): "0" for name in others}
    config = load_config({**given, "NOTIFIER_STORE": f"sqlite:///{tmp_path}/x.db"})

    async def start() -> None:
        async with open_node(config):
            pass

    asyncio.run(start())


def test_a_fraction_in_a_file_is_not_cut_off(files: Path) -> None:
    """2.7 connections are a mistake."""
    (files / "development.toml").write_text("[limits]\nconnections = 2.7\n")
    assert only_problem({}, files).startswith("development.toml: [limits] connections: ")


def test_all_problems_are_reported_together(files: Path) -> None:
    """Files, variables, the catalogue and the rules of production: one list."""
    (files / "production.toml").write_text("[log]\ncolour = true\n")
    (files / "types.toml").write_text("")
    found = problems({"NOTIFIER_ENV": "production", "PORT": "x", "NOTIFIER_X": "1"}, files)
    for part in ("colour", "types.toml: [info]", "PORT:", "NOTIFIER_X:", "JWKS", "ORIGINS"):
        assert any(part in problem for problem in found), part
    assert len(found) == 6


def test_production_needs_a_secret_or_a_jwks_url() -> None:
    """Nobody else's tokens can be checked with a made secret; with a JWKS URL none is needed."""
    without = {k: v for k, v in PRODUCTION.items() if k != "NOTIFIER_JWT_SECRET"}
    assert only_problem(without).startswith("NOTIFIER_JWT_SECRET or NOTIFIER_JWKS_URL: ")
    provider = {"NOTIFIER_JWKS_URL": "https://id.example/keys", "NOTIFIER_JWT_AUDIENCE": "app"}
    assert load_config(without | provider).auth.secrets == ()
    assert not MADE_SECRET.exists()


def test_production_needs_the_audience_of_a_providers_tokens() -> None:
    """Or every user of every application that shares the provider could come in."""
    given = PRODUCTION | {"NOTIFIER_JWKS_URL": "https://id.example/keys"}
    assert only_problem(given).startswith("NOTIFIER_JWT_AUDIENCE: ")
    load_config(given | {"NOTIFIER_JWT_AUDIENCE": "app"})
    load_config(given | {"NOTIFIER_AUTH__ANY_AUDIENCE": "true"})
    load_config(given | {"NOTIFIER_ENV": "development"})


def test_production_refuses_a_short_secret() -> None:
    """One secret of 31 bytes among good ones is one too many."""
    given = PRODUCTION | {"NOTIFIER_JWT_SECRET": f"{SECRET},{SECRET[:31]}"}
    assert "at least 32 bytes" in only_problem(given)


def test_production_needs_origins() -> None:
    """Pages of which sites may connect is a decision."""
    given = PRODUCTION | {"NOTIFIER_ALLOWED_ORIGINS": ""}
    assert only_problem(given).startswith("NOTIFIER_ALLOWED_ORIGINS: ")


def test_production_refuses_files_on_a_host_that_loses_them() -> None:
    """With DYNO set SQLite is refused, unless somebody has said that losing is fine."""
    given = PRODUCTION | {"DYNO": "web.1"}
    assert only_problem(given).startswith("MONGODB_URI: ")
    load_config(given | {"NOTIFIER_STORE__ALLOW_EPHEMERAL": "true"})
    load_config(given | {"MONGODB_URI": "mongodb://db.example/app"})


def test_production_refuses_the_demo() -> None:
    """The demo hands out tokens."""
    given = PRODUCTION | {"NOTIFIER_DEMO__ENABLED": "true"}
    assert only_problem(given).startswith("NOTIFIER_DEMO__ENABLED: ")


def test_production_listens_to_the_world() -> None:
    """In a container only 0.0.0.0 can be reached."""
    assert load_config(PRODUCTION).server.host == "0.0.0.0"


def test_secrets_are_not_printed() -> None:
    """Passwords, secrets and tokens stay out of the text form."""
    config = load_config(
        {
            "NOTIFIER_JWT_SECRET": SECRET,
            "MONGODB_URI": "mongodb://user:hunter2@db/app",
            "REDIS_URL": "redis://:hunter2@cache",
            "NOTIFIER_METRICS__TOKEN": "hunter2",
        }
    )
    assert SECRET not in repr(config)
    assert "hunter2" not in repr(config)


def test_settings_cannot_be_changed() -> None:
    """What was checked stays as it is."""
    config = load_config({})
    with pytest.raises(FrozenInstanceError):
        config.server.port = 1  # type: ignore[misc]


def test_the_shipped_catalogue_protects_what_matters() -> None:
    """Security cannot be muted, system alerts are not for everybody, marketing is quiet."""
    types = TypeCatalogue.load(load_config({}).catalogue)
    assert not types["security_alert"].mutable
    assert types["security_alert"].placement == "top"
    assert types["system_alert"].roles
    assert types["marketing"].priority == "low"
    assert {"info", "message", "friend_request", "like", "comment", "mention", "order"} <= set(
        types
    )


def test_an_installation_brings_its_own_types(tmp_path: Path) -> None:
    """They take the place of the shipped ones; what is wrong with them is named."""
    file = tmp_path / "ours.toml"
    file.write_text('[info]\nlabel = "Info"\n[party]\nlabel = "Parties"\n')
    assert set(load_config({"NOTIFIER_TYPES_FILE": str(file)}).catalogue) == {"info", "party"}
    file.write_text('[party]\nlabel = "Parties"\nicon = "Balloon"\n')
    with pytest.raises(ConfigurationError) as refusal:
        load_config({"NOTIFIER_TYPES_FILE": str(file)})
    assert [problem.partition(" ")[0] for problem in refusal.value.problems] == ["ours.toml:"] * 2
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml"):
        load_config({"NOTIFIER_TYPES_FILE": str(tmp_path / "nowhere.toml")})


@pytest.mark.parametrize("env", ["development", "production", "test"])
def test_every_environment_loads(env: str) -> None:
    """The shipped files of all environments are right."""
    assert load_config(PRODUCTION | {"NOTIFIER_ENV": env}).env == env
