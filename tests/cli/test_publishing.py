"""``notifier send``, run as people run it."""

from __future__ import annotations

import pytest

from tests.cli.command_line import CommandLine
from tests.cli.reader import feed
from tests.servers import NotifierProcess, free_port


async def test_sending_reaches_the_feed(node: NotifierProcess, at_node: CommandLine) -> None:
    """All fields given on the command line arrive."""
    outcome = await at_node(
        *("send", "--to", "user:s1", "--to", "user:s2", "--title", "Hello", "--body", "World"),
        *("--type", "message", "--priority", "high", "--url", "/chat/7", "--data", '{"chat": 7}'),
    )
    assert outcome.status == 0, outcome.errors
    assert "@user:s1" in outcome.output
    assert "@user:s2" in outcome.output
    (item,) = await feed(node, (await at_node("token", "s2")).output.strip())
    assert (item["title"], item["body"], item["type"]) == ("Hello", "World", "message")
    assert (item["priority"], item["url"], item["data"]) == ("high", "/chat/7", {"chat": 7})


async def test_sending_with_a_wrong_key_is_refused(at_node: CommandLine) -> None:
    """The server's reason is told, with status 1."""
    outcome = await at_node("send", "--to", "everyone", "--title", "x", "--key", "nk_wrong")
    assert outcome.status == 1
    assert "refused (401)" in outcome.errors


async def test_sending_a_wrong_notification_names_the_field(at_node: CommandLine) -> None:
    """What the server says of each field is told."""
    outcome = await at_node("send", "--to", "nobody", "--title", "x", "--type", "nonsense")
    assert outcome.status == 1
    assert "refused (422)" in outcome.errors
    assert "to" in outcome.errors


async def test_sending_to_nobody_listening_is_told_in_one_line(notifier: CommandLine) -> None:
    """No server: one line that names the address."""
    port = str(free_port())
    outcome = await notifier("send", "--to", "everyone", "--title", "x", "--port", port)
    assert outcome.status == 1
    assert outcome.errors.splitlines() == [
        f"Error: no answer from http://127.0.0.1:{port}/v1/notifications (ClientConnectorError)"
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ("send",),
        ("send", "--to", "everyone"),
        ("send", "--title", "x"),
        ("send", "--to", "everyone", "--title", "x", "--data", "{"),
        ("send", "--to", "everyone", "--title", "x", "--priority", "urgent"),
        ("send", "--file", "gone.jsonl"),
        ("send", "--to", "everyone", "--title", "x", "--key", "nk_read_from_a_file\n"),
    ],
)
async def test_a_wrong_send_command_is_refused(
    notifier: CommandLine, arguments: tuple[str, ...]
) -> None:
    """What is missing or cannot be read is told before anything is sent."""
    outcome = await notifier(*arguments)
    assert outcome.status == 2
    assert "Error" in outcome.errors
