"""The paths of the registry's API, below ``/api/v1/``. No path ends with a slash."""

from __future__ import annotations

from django.urls import path

from registry.api.doors import (
    access,
    aliases,
    approvals,
    audit,
    connections,
    datasets,
    grants,
    lineage,
    models,
    version,
    versions,
    webhooks,
)

_MODEL = "models/<str:name>"
_VERSION = f"{_MODEL}/versions/<str:number>"
_DATASET = "datasets/<str:name>"
_CONNECTION = "connections/<str:name>"
_WEBHOOK = "webhooks/<str:id>"

urlpatterns = [
    path("models", models.Models.as_view()),
    path(_MODEL, models.Model.as_view()),
    path(f"{_MODEL}/archive", models.ModelArchive.as_view()),
    path(f"{_MODEL}/unarchive", models.ModelUnarchive.as_view()),
    path(f"{_MODEL}/versions", versions.Versions.as_view()),
    path(_VERSION, version.Version.as_view()),
    path(f"{_VERSION}/artifact", version.VersionArtifact.as_view()),
    path(f"{_VERSION}/archive", version.VersionArchive.as_view()),
    path(f"{_MODEL}/aliases", aliases.Aliases.as_view()),
    path(f"{_MODEL}/aliases/<str:alias>", aliases.AliasOfModel.as_view()),
    path(f"{_MODEL}/aliases/<str:alias>/history", aliases.AliasHistory.as_view()),
    path(f"{_MODEL}/grants", grants.ModelGrants.as_view()),
    path(f"{_MODEL}/grants/<str:user>", grants.ModelGrant.as_view()),
    path("approvals", approvals.Approvals.as_view()),
    path("approvals/<str:id>", approvals.Approval.as_view()),
    path("approvals/<str:id>/approve", approvals.Approve.as_view()),
    path("approvals/<str:id>/reject", approvals.Reject.as_view()),
    path("datasets", datasets.Datasets.as_view()),
    path(_DATASET, datasets.DatasetDoor.as_view()),
    path(f"{_DATASET}/archive", datasets.DatasetArchive.as_view()),
    path(f"{_DATASET}/unarchive", datasets.DatasetUnarchive.as_view()),
    path(f"{_DATASET}/download", datasets.DatasetDownload.as_view()),
    path(f"{_DATASET}/versions", datasets.DatasetVersions.as_view()),
    path(f"{_DATASET}/versions/<str:number>", datasets.DatasetVersionDoor.as_view()),
    path(f"{_DATASET}/versions/<str:number>/download", datasets.DatasetVersionDownload.as_view()),
    path(f"{_DATASET}/versions/<str:number>/rules", datasets.DatasetVersionRules.as_view()),
    path(f"{_DATASET}/versions/<str:number>/promote", datasets.DatasetVersionPromote.as_view()),
    path(f"{_DATASET}/versions/<str:number>/demote", datasets.DatasetVersionDemote.as_view()),
    path(f"{_DATASET}/grants", grants.DatasetGrants.as_view()),
    path(f"{_DATASET}/grants/<str:user>", grants.DatasetGrant.as_view()),
    path("connections", connections.Connections.as_view()),
    path(_CONNECTION, connections.ConnectionDoor.as_view()),
    path(f"{_CONNECTION}/test", connections.ConnectionTest.as_view()),
    path(f"{_CONNECTION}/grants", grants.ConnectionGrants.as_view()),
    path(f"{_CONNECTION}/grants/<str:user>", grants.ConnectionGrant.as_view()),
    path("api-keys", access.ApiKeys.as_view()),
    path("api-keys/<str:id>", access.ApiKeyDoor.as_view()),
    path("api-keys/<str:id>/rotate", access.RotateApiKey.as_view()),
    path("api-keys/<str:id>/revoke", access.RevokeApiKey.as_view()),
    path("me", access.Me.as_view()),
    path("audit", audit.Audit.as_view()),
    path("audit/export", audit.AuditExport.as_view(), name="audit-export"),
    path("webhooks", webhooks.Webhooks.as_view()),
    path(_WEBHOOK, webhooks.WebhookDoor.as_view()),
    path(f"{_WEBHOOK}/test", webhooks.TestWebhook.as_view()),
    path(f"{_WEBHOOK}/rotate", webhooks.RotateWebhook.as_view()),
    path(f"{_WEBHOOK}/deliveries", webhooks.Deliveries.as_view()),
    path("lineage/<str:kind>/<str:id>", lineage.Lineage.as_view()),
]
