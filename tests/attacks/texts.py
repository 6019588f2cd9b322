"""Texts that somebody sends who wants something else to happen than that they are kept."""

from __future__ import annotations

# Shown on a page as it is, the first would be an element; run as a template, the second EVILRAN.
ELEMENT = "<evil-element onclick=x>"
TEMPLATE = '{{ "evilran"|upper }}{% now "Y" %}'

HOSTILE = (
    "../../../../etc/passwd",
    "..\\..\\windows\\win.ini",
    "/etc/passwd",
    "%2e%2e%2f%00",
    "file:///etc/passwd",
    "'; DROP TABLE registry_user; --",
    '" OR ""="',
    "%' ESCAPE '\\",
    f"'\">{ELEMENT}</script><!--",
    "javascript:alert(1)//",
    TEMPLATE,
    "{0.__class__.__mro__} %s %n ${7*7} #{7*7}",
    "nul\0byte",
    "bell\x07 escape\x1b[2J backspace\x08",
    "line\r\nX-Evil: injected\r\n\r\n",
    "\u202egnp.exe\u2066\ufeff",
    "\ud800 alone",
    "e\u0301 \u0130 \U0001f9e8 \u1e9e",
    "=cmd|'/c calc'!A1",
    "",
    "   ",
    "1e999",
    '{"$ne": null}',
    "x" * 300,
    "x" * 120_000,
)
# Those that a database would stumble over, if it were asked about them.
FOR_DATABASES = (
    "nul\0byte",
    "\ud800 alone",
    "'; DROP TABLE registry_user; --",
    "x" * 300,
    "x" * 120_000,
)
