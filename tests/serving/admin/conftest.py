"""The same small registry as for the registry's pages."""

from __future__ import annotations

from tests.registry.admin.conftest import _made, signed_in, world

__all__ = ["_made", "signed_in", "world"]
