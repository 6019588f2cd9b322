"""Who looks at objects, and from where: turns paths into urls and hides what may not be seen."""

from __future__ import annotations

import uuid
from functools import cached_property
from urllib.parse import quote

from rest_framework.request import Request

from registry.api.auth import principal_of
from registry.conf import conf
from registry.errors import MalformedParameter
from registry.models import Grant
from registry.principals import Principal

API_ROOT = "/api/v1"
# One call puts at most so many neighbours in place.
EXPANDED_MAX = 2_000


class Sight:
    """One caller's view during one request."""

    def __init__(self, request: Request) -> None:
        self.by: Principal = principal_of(request)
        self.root = root_of(request) + API_ROOT
        self._expanded = 0

    def url(self, path: str) -> str:
        """The absolute url of a path below the API's root."""
        return self.root + path

    def reason(self, code: str) -> str:
        """The url of what a check's reason means and what to do."""
        return f"{self.root.removesuffix(API_ROOT)}/docs/errors#reason-{code}"

    def sees_dataset(self, dataset_id: uuid.UUID | None) -> bool:
        """Whether the caller may see the dataset; at most one query for all of them."""
        if dataset_id is None:
            return False
        return self._dataset_ids is None or dataset_id in self._dataset_ids

    def count_expanded(self, rows: int) -> None:
        """Note that so many rows are put in place. Raises MalformedParameter over the cap."""
        self._expanded += rows
        if self._expanded > EXPANDED_MAX:
            raise MalformedParameter(
                f"“expand” would put more than {EXPANDED_MAX} objects in place: ask for smaller "
                "pages or fewer hops."
            )

    @cached_property
    def _dataset_ids(self) -> frozenset[uuid.UUID | None] | None:
        """None where a group's role shows everything."""
        if self.by.global_role is not None and self.by.has_scope_for("viewer"):
            return None
        mine = Grant.objects.filter(user=self.by.user, dataset__isnull=False)
        return frozenset(mine.values_list("dataset_id", flat=True))


def root_of(request: Request) -> str:
    """Scheme, host and path prefix as people use them, without a trailing slash."""
    if conf.public_url:
        return conf.public_url
    return f"{request.scheme}://{request.get_host()}{request.META.get('SCRIPT_NAME', '')}"


def own_url(request: Request) -> str:
    """The url of this very request, with its query."""
    query = request.META.get("QUERY_STRING", "")
    path = quote(request._request.path_info)
    return root_of(request) + path + (f"?{query}" if query else "")
