"""Keys for programs: looked up by a public id, kept as a hash, shown once."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from registry.models.base import TimeOrdered
from registry.models.registered_model import RegisteredModel


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    """Keys by whether they open anything."""

    def live(self) -> ApiKeyQuerySet:
        """Neither revoked nor expired, of an active user."""
        unexpired = Q(expires_at__isnull=True) | Q(expires_at__gt=Now())
        return self.filter(unexpired, revoked_at__isnull=True, user__is_active=True)


class ApiKey(TimeOrdered):
    """``my_<public_id>_<secret>``: of the secret only its sha256 is kept.

    The key may do what its scopes and its user's roles both allow, on ``limited_to`` only where
    ``all_models`` is false. The secret has 256 bits, so a plain hash is enough.
    """

    public_id = models.CharField(max_length=8, unique=True)
    secret_sha256 = models.CharField(max_length=64)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=100)
    scopes = models.JSONField(default=list)
    all_models = models.BooleanField(default=True)
    limited_to = models.ManyToManyField(RegisteredModel, related_name="api_keys", blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta(TimeOrdered.Meta):
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.name} (my_{self.public_id}_…)"
