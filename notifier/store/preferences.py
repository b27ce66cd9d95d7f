"""How both stores keep preferences: as JSON text, so that no name from outside names a field."""

from __future__ import annotations

from functools import lru_cache

import orjson

from notifier.core.models import Preferences


def preferences_text(preferences: Preferences) -> str:
    return orjson.dumps(preferences.as_dict()).decode()


@lru_cache(maxsize=1_024)
def preferences_from(text: str) -> Preferences:
    """The same object for the same text: most people have chosen nothing."""
    return Preferences.from_dict(orjson.loads(text))
