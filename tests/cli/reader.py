"""What a user of a server finds."""

from __future__ import annotations

import aiohttp

from tests.cli.command_line import CommandLine
from tests.servers import NotifierProcess


async def feed(node: NotifierProcess, token: str) -> list[dict[str, object]]:
    """What a user finds."""
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession(node.url, headers=headers) as session,
        session.get("/v1/feed", params={"limit": 100}) as answer,
    ):
        items: list[dict[str, object]] = (await answer.json())["items"]
        return items


async def titles(node: NotifierProcess, at_node: CommandLine, user: str) -> list[object]:
    token = (await at_node("token", user)).output.strip()
    return [item["title"] for item in await feed(node, token)]
