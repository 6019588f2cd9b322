"""Makes ``admin.site`` ours."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib.admin.apps import AdminConfig
from django.contrib.admin.sites import site

SITE = "registry.admin.site.ModelyardSite"


class ModelyardAdminConfig(AdminConfig):
    """For INSTALLED_APPS, in place of ``django.contrib.admin``."""

    default_site = SITE


def use_our_site() -> None:
    """The same for Django's own config: autodiscovery makes its site just before it imports us."""
    config: Any = apps.get_app_config("admin")
    if config.default_site != SITE:
        config.default_site = SITE
        site._setup()  # type: ignore[attr-defined]  # what the lazy site does on first use
