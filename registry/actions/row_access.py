"""Who may have the rows of a dataset: the one rule by classification, and its one table.

To see that a dataset exists needs any role on it. To have its rows, by a download, in a job's
results, in rejects, or in what a profile tells of single cells, needs what the table says. A job
reads on behalf of whoever asks for it, so asking for one needs the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from registry import roles
from registry.errors import NotAllowed
from registry.models import Dataset
from registry.models.registered_model import Classification
from registry.principals import Principal


@dataclass(frozen=True, slots=True)
class Needed:
    """The role; with ``own_grant`` a group's role does not do, but that of managers."""

    role: str
    own_grant: bool = False

    def words(self, dataset: Dataset) -> str:
        """As it ends a sentence: the role scorer on customers."""
        return f"{'a grant of ' if self.own_grant else ''}the role {self.role} on {dataset}"


ROWS_NEED: Final[dict[str, Needed]] = {
    Classification.PUBLIC: Needed(roles.VIEWER),
    Classification.INTERNAL: Needed(roles.VIEWER),
    Classification.CONFIDENTIAL: Needed(roles.SCORER),
    Classification.RESTRICTED: Needed(roles.PUBLISHER, own_grant=True),
}


def may_have_rows(by: Principal, dataset: Dataset, *, classification: str | None = None) -> bool:
    """Whether the rows may go to ``by``; ``classification`` None is that of the dataset."""
    needed = ROWS_NEED[classification or dataset.classification]
    if not needed.own_grant:
        return by.may(needed.role, dataset)
    granted = by.granted_role(dataset)
    manages_all = by.global_role == roles.MANAGER and not by.is_beyond(dataset)
    has_role = manages_all or roles.rank(granted) >= roles.rank(needed.role)
    return by.has_scope_for(needed.role) and has_role


def require_rows(by: Principal, dataset: Dataset, *, classification: str | None = None) -> None:
    """Raise NotAllowed, which says what is missing, unless ``by`` may have the rows.

    Call it on what was found by ``visible_to``: it does not hide, it refuses.
    """
    if may_have_rows(by, dataset, classification=classification):
        return
    of = classification or dataset.classification
    needed = ROWS_NEED[of]
    if not by.has_scope_for(needed.role):
        raise NotAllowed(f"The key needs the scope “{roles.scope_for(needed.role)}”.")
    raise NotAllowed(f"The rows are {of}: this needs {needed.words(dataset)}.")
