"""Ready-made users for the demo page. Only where the configuration switches the demo on."""

from __future__ import annotations

from typing import Any

from notifier.core.models import ADMIN, PUBLISH
from notifier.errors import NotFound
from notifier.http.tokens import TokenRules, sign

SESSION_SECONDS = 3600

_ROLES = {"ada": ("admin",), "grace": ()}


class DemoSessions:
    """Hands out tokens for the demo's users, signed like any other token."""

    def __init__(self, rules: TokenRules) -> None:
        self._rules = rules

    def open(self, user: str) -> dict[str, Any]:
        """A token for one of the users, who may publish and ask why.

        Raises ``NotFound`` for anybody else.
        """
        if user not in _ROLES:
            raise NotFound(f"The demo's users are {' and '.join(_ROLES)}.")
        name = user.capitalize()
        token = sign(
            self._rules,
            user,
            lifetime=SESSION_SECONDS,
            roles=_ROLES[user],
            scopes=[PUBLISH, ADMIN],
            name=name,
        )
        return {"user": user, "name": name, "token": token, "expires_in": SESSION_SECONDS}
