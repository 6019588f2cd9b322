"""Doors: forms about webhooks."""

from __future__ import annotations

from typing import Any

from django import forms

from registry.actions.webhooks import EVENTS
from registry.conf import conf
from registry.forms.base import ActionForm
from registry.models import RegisteredModel
from registry.principals import Principal

_EVENT_WORDS = {
    "batch-job.completed": "a batch job is completed",
    "batch-job.failed": "a batch job has failed",
    "batch-job.cancelled": "a batch job was cancelled",
    "approval.requested": "an approval is asked for",
    "approval.approved": "somebody has approved",
    "approval.rejected": "somebody has rejected",
    "alias.moved": "an alias has moved, or was removed",
}
MODELS_OFFERED = 500


class ChangeWebhookForm(ActionForm):
    """Where it is sent to, and what about."""

    target_url = forms.CharField(
        label="URL",
        max_length=2_000,
        widget=forms.URLInput(
            attrs={"placeholder": "https://hooks.example.org/…", "autocomplete": "off"}
        ),
    )
    events = forms.MultipleChoiceField(
        label="Tell when",
        choices=[(event, _EVENT_WORDS[event]) for event in EVENTS],
        initial=list(EVENTS),
        widget=forms.CheckboxSelectMultiple,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        listed = ", ".join(conf.outgoing_hosts)
        self.fields["target_url"].help_text = (
            f"On one of the hosts that this site lists: {listed}."
            if listed
            else "This site lists no host (OUTGOING_HOSTS), so nothing can be sent."
        )


class WebhookForm(ChangeWebhookForm):
    """A new webhook."""

    model = forms.ModelChoiceField(
        queryset=RegisteredModel.objects.none(),
        required=False,
        to_field_name="name",
        empty_label="all models that I see",
    )

    def __init__(self, by: Principal, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        models: Any = self.fields["model"]
        models.queryset = RegisteredModel.objects.visible_to(by).order_by("name")
