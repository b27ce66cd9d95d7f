"""Whose tokens this node believes: the settings in ``[auth]`` as the rules for tokens."""

from __future__ import annotations

from notifier.http.tokens import TokenRules
from notifier.settings import AuthConfig


def token_rules(auth: AuthConfig) -> TokenRules:
    """What a token must fulfil; also what is needed to sign one."""
    return TokenRules(
        secrets=auth.secrets,
        issuer=auth.issuer,
        audience=auth.audience,
        leeway=auth.leeway_seconds,
        max_lifetime=auth.max_token_lifetime,
    )
