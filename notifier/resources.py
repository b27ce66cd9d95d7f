"""Where the files are that ship with the package: settings and the built client.

In a checkout they lie beside the package, in an installed wheel inside it.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent
_SHIPPED = _PACKAGE / "files"
_CHECKOUT = _PACKAGE.parent


def config_folder() -> Path:
    """The folder of ``default.toml``, the environments' files and ``types.toml``."""
    return _SHIPPED / "config" if _SHIPPED.is_dir() else _CHECKOUT / "config"


def client_folder() -> Path | None:
    """The folder of the built JavaScript client and the demo; None where it was never built."""
    folder = _SHIPPED / "client" if _SHIPPED.is_dir() else _CHECKOUT / "static" / "dist"
    return folder if folder.is_dir() else None
