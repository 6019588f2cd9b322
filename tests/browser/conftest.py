"""Playwright's loop runs in the thread of the tests from its first page on, to the very end.

Django would take every test that uses the database after that for an asynchronous caller.
"""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
