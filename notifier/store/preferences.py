"""How both stores keep preferences: as JSON text, so that no name from outside names a field."""

from __future__ import annotations

import orjson

from notifier.core.models import Preferences


def preferences_text(preferences: Preferences) -> str:
    return orjson.dumps(preferences.as_dict()).decode()


def preferences_from(text: str) -> Preferences:
    return Preferences.from_dict(orjson.loads(text))
