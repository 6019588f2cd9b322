"""A model card that says all that a reviewer has to know."""

from __future__ import annotations

CARD = {
    "intended_use": "Ranks renewals for the retention team. **Not** for prices.",
    "data": "41,000 contracts of 2023 to 2025.",
    "metrics": "AUC 0.84 on the last quarter.",
    "limits": "Unknown for customers abroad.",
    "owner": "retention@example.org",
    "risk_rating": "medium",
}
