"""Actions of the audit trail in words: ``version.pin`` is “pinned the engine of”."""

from __future__ import annotations

# What stands before the object's name: somebody did this to it.
WORDS: dict[str, str] = {
    "alias.move": "moved the alias",
    "alias.remove": "removed the alias",
    "api_key.create": "made the key",
    "api_key.revoke": "revoked the key",
    "api_key.rotate": "rotated the key",
    "approval.approved": "approved",
    "approval.carried": "took over the approval",
    "approval.evidence": "added evidence to",
    "approval.rejected": "rejected",
    "approval.request": "asked for an approval:",
    "batch_job.cancel": "cancelled",
    "batch_job.complete": "completed",
    "batch_job.create": "asked for",
    "batch_job.fail": "failed",
    "batch_job.retry": "ran again",
    "batch_job.start": "started",
    "connection.create": "made the connection",
    "connection.remove": "removed the connection",
    "connection.test": "tried the connection",
    "connection.update": "changed the connection",
    "dataset.archive": "archived the dataset",
    "dataset.create": "made the dataset",
    "dataset.erase": "erased the rows of",
    "dataset.output": "wrote results into",
    "dataset.read": "asked to read",
    "dataset.promote": "promoted",
    "dataset.ready": "has read",
    "dataset.rejected": "could not read",
    "dataset.unarchive": "took back into use the dataset",
    "dataset.update": "changed the dataset",
    "dataset.upload": "uploaded",
    "grant.remove": "took a role away:",
    "grant.set": "gave a role:",
    "group.create": "made the group",
    "group.update": "changed the group",
    "model.create": "made the model",
    "model.update": "changed the model",
    "route.clear": "removed the route",
    "route.set": "set the route",
    "schedule.create": "made the schedule",
    "schedule.delete": "deleted the schedule",
    "schedule.run_now": "ran at once",
    "schedule.update": "changed the schedule",
    "user.create": "made the user",
    "user.password": "set the password of",
    "user.update": "changed the user",
    "version.archive": "archived",
    "version.archived": "archived",
    "version.compile": "compiled",
    "version.pin": "pinned the engine of",
    "version.quarantined": "put into quarantine",
    "version.ready": "found ready",
    "version.recheck": "checks again",
    "version.register": "registered",
    "version.rejected": "rejected",
    "version.released": "released",
    "version.update": "changed",
    "webhook.create": "made the webhook",
    "webhook.delete": "deleted the webhook",
    "webhook.disable": "switched off the webhook",
    "webhook.rotate": "gave another secret to",
    "webhook.test": "sent a test to",
    "webhook.update": "changed the webhook",
}


def words_of(action: str) -> str:
    """The words, or the action's own parts where it has none here: ``a_b.c_d`` is “c d a b”."""
    if action in WORDS:
        return WORDS[action]
    subject, _, verb = action.replace("_", " ").partition(".")
    return f"{verb} {subject}".strip()
