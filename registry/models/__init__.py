"""What is remembered: one class per file, with its QuerySet beside it."""

from registry.models.alias import Alias, AliasChange
from registry.models.api_key import ApiKey
from registry.models.approval_request import ApprovalRequest
from registry.models.artifact import Artifact
from registry.models.audit_event import AuditEvent
from registry.models.audit_seal import AuditSeal
from registry.models.check import Check
from registry.models.connection import Connection
from registry.models.dataset import Dataset
from registry.models.dataset_version import DatasetVersion
from registry.models.grant import Grant, GroupRole
from registry.models.idempotency_record import IdempotencyRecord
from registry.models.model_version import ModelVersion
from registry.models.registered_model import RegisteredModel
from registry.models.user import User
from registry.models.webhook import Webhook
from registry.models.webhook_delivery import WebhookDelivery

__all__ = [
    "Alias",
    "AliasChange",
    "ApiKey",
    "ApprovalRequest",
    "Artifact",
    "AuditEvent",
    "AuditSeal",
    "Check",
    "Connection",
    "Dataset",
    "DatasetVersion",
    "Grant",
    "GroupRole",
    "IdempotencyRecord",
    "ModelVersion",
    "RegisteredModel",
    "User",
    "Webhook",
    "WebhookDelivery",
]
