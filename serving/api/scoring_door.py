"""What the doors that score have in common: a body to the lane as it came, its bytes back."""

from __future__ import annotations

from django.http import HttpResponse

from registry.api.auth import request_id_of
from registry.api.resource import FileResource
from serving.actions.scoring import OnRowError
from serving.actions.targets import Resolution
from serving.api import lanes


class ScoringDoor(FileResource):
    """The lane reads ``Content-Type`` and ``Accept`` itself: its bodies are no parser's."""

    # They are called often, and do no more with a user than to read who it is.
    remembers_sessions = True

    def scored(
        self,
        lane: lanes.Lane,
        resolution: Resolution,
        ref: str,
        *,
        on_row_error: OnRowError = "fail",
        outputs: tuple[str, ...] | None = None,
    ) -> HttpResponse:
        """The lane's answer for the present request."""
        request = self.request._request
        encoded = lanes.answer(
            lane,
            request.META,
            request.body,
            resolution=resolution,
            ref=ref,
            by=self.by.id,
            request_id=request_id_of(request),
            on_row_error=on_row_error,
            outputs=outputs,
        )
        response = HttpResponse(encoded.body, content_type=encoded.content_type)
        for name, value in encoded.headers.items():
            response[name] = value
        return response
