"""``modelyard.Client``: everything the service can do for a notebook or a script."""

from __future__ import annotations

from types import TracebackType

from modelyard.governance_calls import GovernanceCalls
from modelyard.model_calls import ModelCalls
from modelyard.scoring_calls import ScoringCalls


class Client(ModelCalls, ScoringCalls, GovernanceCalls):
    """Talks to one service with one key.

    ``url`` and ``api_key`` default to ``MODELYARD_URL`` (else ``http://127.0.0.1:8000``) and
    ``MODELYARD_API_KEY``. Usable as a context manager. Every method may raise a
    ``ModelyardError``: what the service refuses is a subclass by its reason, what cannot be sent
    is a ``UsageError``, and ``ConnectionFailed`` means that retries did not help.
    """

    @property
    def url(self) -> str:
        """The service's address."""
        return self._transport.url

    def close(self) -> None:
        """Give the connections back."""
        self._transport.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<modelyard.Client {self.url}>"
