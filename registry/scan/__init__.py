"""Plain: look inside an uploaded model file without importing or constructing anything."""

from registry.scan.finding import REASONS, Finding
from registry.scan.looking import look

__all__ = ["REASONS", "Finding", "look"]
