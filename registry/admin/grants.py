"""Who may use one model or dataset: two POSTs that the pages of both share."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse

from registry import roles
from registry.actions import access
from registry.admin.access import principal_of, to_page, told
from registry.forms.models import GrantForm
from registry.models import User
from registry.principals import require


class GrantPages:
    """For a GovernedAdmin of models or datasets."""

    def set_grant(self: Any, request: HttpRequest, row: Any) -> HttpResponse:
        """POST: give a user a role."""
        by = principal_of(request)
        # Who sets no roles is not told who is there.
        require(by, roles.MANAGER, row)
        form = GrantForm(request.POST or None)
        if form.is_valid():
            user, role = form.cleaned_data["user"], form.cleaned_data["role"]
            with told(request, f"{user} is {role} of {row} now."):
                access.set_grant(by=by, governed=row, user=user, role=role)
        else:
            for problems in form.errors.values():
                messages.error(request, " ".join(str(problem) for problem in problems))
        return to_page(self.url_of("change", row.pk))

    def remove_grant(self: Any, request: HttpRequest, row: Any) -> HttpResponse:
        """POST: take a user's role away."""
        by = principal_of(request)
        require(by, roles.MANAGER, row)
        user = User.objects.filter(username=request.POST.get("user", "")).first()
        if user is not None:
            with told(request, f"{user} has no role of their own on {row} any more."):
                access.remove_grant(by=by, governed=row, user=user)
        return to_page(self.url_of("change", row.pk))
