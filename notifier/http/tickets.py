"""Tickets."""

from __future__ import annotations

from aiohttp import web

from notifier.http.api import query


def arguments(request: web.Request) -> dict[str, str]:
    args = query(request)
    args.pop("ticket", None)
    return args
