"""Middleware for browsers that costs programs nothing: the usual policy, and what pages need."""

from __future__ import annotations

from functools import cached_property
from typing import cast

from csp.constants import HEADER
from csp.middleware import CSPMiddleware
from csp.utils import build_policy
from django.conf import settings
from django.contrib.messages.middleware import MessageMiddleware
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from config.problems import is_for_programs

# What the decorators of django-csp leave on an answer.
_OWN_POLICY = frozenset(
    f"_csp_{what}{kind}"
    for what in ("config", "update", "replace", "exempt")
    for kind in ("", "_ro")
)


class UsualPolicy(CSPMiddleware):
    """django-csp's header, put together once for all answers that have no policy of their own.

    There is one policy for all paths, which is enforced: the settings name no other.
    """

    @cached_property
    def _usual(self) -> str:
        return build_policy()

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Add the header; django-csp does it where anything is said about it."""
        is_usual = "_csp_nonce" not in vars(request) and _OWN_POLICY.isdisjoint(vars(response))
        if settings.DEBUG or not is_usual:
            return super().process_response(request, response)
        response.headers.setdefault(HEADER, self._usual)
        return response


class PageMessages(MessageMiddleware):
    """Messages for people; programs never see any."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Go on, past the messages of a session where a program asks."""
        go_on = self.get_response if is_for_programs(request) else super().__call__
        return cast(HttpResponseBase, go_on(request))
