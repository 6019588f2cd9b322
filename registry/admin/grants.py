"""Who may use one model or dataset: two POSTs that the pages of both share."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse

from registry.actions import access
from registry.admin.access import principal_of, to_page, told
from registry.forms.models import GrantForm
from registry.models import User


class GrantPages:
    """For a GovernedAdmin of models or datasets."""

    def set_grant(self: Any, request: HttpRequest, row: Any) -> HttpResponse:
        """POST: give a user a role."""
        form = GrantForm(request.POST or None)
        if form.is_valid():
            user, role = form.cleaned_data["user"], form.cleaned_data["role"]
            with told(request, f"{user} is {role} of {row} now."):
                access.set_grant(by=principal_of(request), governed=row, user=user, role=role)
        else:
            for problems in form.errors.values():
                messages.error(request, " ".join(str(problem) for problem in problems))
        return to_page(self.url_of("change", row.pk))

    def remove_grant(self: Any, request: HttpRequest, row: Any) -> HttpResponse:
        """POST: take a user's role away."""
        user = User.objects.filter(username=request.POST.get("user", "")).first()
        if user is not None:
            with told(request, f"{user} has no role of their own on {row} any more."):
                access.remove_grant(by=principal_of(request), governed=row, user=user)
        return to_page(self.url_of("change", row.pk))
