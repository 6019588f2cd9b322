"""Django's settings, in sections. Everything that a site may change is a variable read here.

The variables, their defaults and what they do are listed in ``docs/settings.md``.
"""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import django_stubs_ext
from celery.schedules import crontab

from config import mail, sign_on, state
from config.env import Environment, SettingError

# Lets our classes name their row types (`ModelAdmin[User]`), which Django's own allow to a part.
django_stubs_ext.monkeypatch()

env = Environment(os.environ)

MIB = 2**20
GIB = 2**30
# The model host itself knows how much there is.
HALF_OF_MEMORY = 0

# --- Where things are ---------------------------------------------------------------------------

BASE_DIR = Path(__file__).resolve().parent.parent
MODELYARD_HOME = env.folder("MODELYARD_HOME", BASE_DIR / "var")
state.prepare(MODELYARD_HOME)
SOCKET_FOLDER = state.socket_folder(MODELYARD_HOME)

HOST = env.host("HOST", "127.0.0.1")
PORT = env.integer("PORT", 8000, low=1, high=65535)
_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
WEB_WORKERS = env.integer("WEB_WORKERS", _cores, low=1, high=256)
WORKER_CONCURRENCY = env.integer("WORKER_CONCURRENCY", _cores, low=1, high=256)
_public = env.public_url("PUBLIC_URL")
_is_https = _public is not None and _public.is_secure
_mail = mail.server(env.secret("EMAIL_URL"))
_sign_on = sign_on.provider(
    issuer=env.text("OIDC_ISSUER"),
    client_id=env.text("OIDC_CLIENT_ID"),
    client_secret=env.secret("OIDC_CLIENT_SECRET"),
    label=env.text("OIDC_LABEL", "single sign-on"),
    scopes=env.text("OIDC_SCOPES", "openid profile email"),
    username_claim=env.text("OIDC_USERNAME_CLAIM", "preferred_username"),
    groups_claim=env.text("OIDC_GROUPS_CLAIM", "groups"),
    role_map=env.text("OIDC_ROLES"),
    staff_groups=env.text("OIDC_STAFF_GROUPS"),
    session_hours=env.integer("OIDC_SESSION_HOURS", 12, low=1, high=336),
)
_takes_passwords = env.boolean("PASSWORD_SIGN_IN", default=True)

DEBUG = env.boolean("DEBUG", default=False)
_secret_key = env.secret("SECRET_KEY")
MADE_OWN_SECRET_KEY = not _secret_key
SECRET_KEY = _secret_key or state.secret_key(MODELYARD_HOME)
SECRET_KEY_FALLBACKS = env.secret("SECRET_KEY_FALLBACKS").split()
_redis_url = env.redis_url("REDIS_URL")
STARTS_OWN_BROKER = not _redis_url
REDIS_URL = _redis_url or f"unix://{quote(str(SOCKET_FOLDER))}/valkey.sock"

# --- What Modelyard's own code reads, through registry/conf.py and serving/conf.py --------------

MODELYARD: dict[str, Any] = {
    "PUBLIC_URL": str(_public) if _public else "",
    "TRUSTED_PROXIES": env.networks("TRUSTED_PROXIES"),
    "PROXY_HEADERS": env.choice("PROXY_HEADERS", ("x-forwarded", "forwarded"), "x-forwarded"),
    "DEMO": env.boolean("DEMO", default=True),
    "ADMIN_PASSWORD": env.secret("MODELYARD_ADMIN_PASSWORD"),
    "REDIS_URL": REDIS_URL,
    "CONNECTION_FOLDERS": env.folders("CONNECTION_FOLDERS"),
    "OUTGOING_HOSTS": env.outgoing_hosts("OUTGOING_HOSTS"),
    "SENDS_MAIL": _mail.is_named,
    "SIGN_ON": _sign_on,
    "PASSWORD_SIGN_IN": _takes_passwords,
    "RATE_LIMIT": env.rate("RATE_LIMIT", "20000/s"),
    "MODEL_RATE_LIMIT": env.rate("MODEL_RATE_LIMIT", "off"),
    "ADDRESS_RATE_LIMIT": env.rate("ADDRESS_RATE_LIMIT", "1000/s"),
    "MAX_ARTIFACT_BYTES": env.size_bytes("MAX_ARTIFACT_BYTES", 2 * GIB),
    "MAX_DATASET_BYTES": env.size_bytes("MAX_DATASET_BYTES", 20 * GIB),
    "CACHE_BYTES": env.size_bytes("CACHE_BYTES", 10 * GIB),
    "MAX_BODY_BYTES": env.size_bytes("MAX_BODY_BYTES", 6 * MIB),
    "MAX_BINARY_BODY_BYTES": env.size_bytes("MAX_BINARY_BODY_BYTES", 64 * MIB),
    "MODEL_MEMORY_BYTES": env.size_bytes("MODEL_MEMORY_BYTES", 2 * GIB),
    "MODELHOST_MEMORY_BYTES": env.size_bytes("MODELHOST_MEMORY_BYTES", HALF_OF_MEMORY),
    "ENGINE_MEMORY_BYTES": env.size_bytes("ENGINE_MEMORY_BYTES", 256 * MIB),
    "COMPILE_ROWS": env.integer("COMPILE_ROWS", 10_000, low=0, high=1_000_000),
    "MODEL_CARD_POLICY": env.choice("MODEL_CARD_POLICY", ("show", "require"), "show"),
    "MODEL_FILE_POLICY": env.choice("MODEL_FILE_POLICY", ("gate", "approve", "refuse"), "gate"),
    "UPDATE_BACKUPS": env.integer("UPDATE_BACKUPS", 3, low=0, high=100),
    "CAPTURE_DAYS": env.integer("CAPTURE_DAYS", 30, low=1, high=3_650),
    "CAPTURE_RECORDS": env.integer("CAPTURE_RECORDS", 100_000, low=1_000, high=10_000_000),
    "MODELHOST_SOCKET": env.text("MODELHOST_SOCKET", f"{SOCKET_FOLDER}/modelhost.sock"),
}

# --- Applications -------------------------------------------------------------------------------

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    # Always, so that single sign-on needs no migration when it is turned on.
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    # Before the admin: our templates win. After auth and allauth: our pages replace their own.
    "registry.apps.RegistryConfig",
    "serving.apps.ServingConfig",
    "django.contrib.admin",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "axes",
    "csp",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]

MIDDLEWARE = [
    "config.request_id.RequestIdMiddleware",
    # Before everything that looks at the Host header: probes come by address.
    "registry.api.health.ProbeMiddleware",
    "registry.api.metrics.MetricsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.browsers.UsualPolicy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "config.browsers.PageMessages",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    # Single sign-on is not there without it.
    "allauth.account.middleware.AccountMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Database -----------------------------------------------------------------------------------

_SQLITE_OPTIONS = {
    # A transaction takes the write lock when it begins: it then waits for its turn instead of
    # failing half-way, when a read lock cannot be raised any more.
    "transaction_mode": "IMMEDIATE",
    "timeout": 30,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
}
_POSTGRES_TIMEOUTS = (
    "-c lock_timeout=10s -c statement_timeout=60s -c idle_in_transaction_session_timeout=120s"
)

_database = env.database("DATABASE_URL") or {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": str(MODELYARD_HOME / "modelyard.sqlite3"),
}
_options = _database.setdefault("OPTIONS", {})
if _database["ENGINE"].endswith("sqlite3"):
    _options |= _SQLITE_OPTIONS | _options
else:
    # `?options=...` in DATABASE_URL replaces the timeouts: for one long migration, say.
    _options |= {"options": _POSTGRES_TIMEOUTS, "connect_timeout": 10} | _options
DATABASES = {"default": _database | {"CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True}}

# --- Cache: one Valkey or Redis for the cache, the limits and the broker ------------------------

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "modelyard",
        "OPTIONS": {"socket_timeout": 2, "socket_connect_timeout": 2, "health_check_interval": 30},
    },
}

# --- Bytes: blobs and static files --------------------------------------------------------------

_store = env.s3("STORAGE_URL")
STORES_ELSEWHERE = _store is not None
_in_a_folder: dict[str, Any] = {
    "BACKEND": "django.core.files.storage.FileSystemStorage",
    "OPTIONS": {
        "location": str(MODELYARD_HOME / "storage"),
        "file_permissions_mode": 0o640,
        "directory_permissions_mode": 0o750,
    },
}
STORAGES = {
    "default": _store.as_storage() if _store else _in_a_folder,
    "staticfiles": {"BACKEND": "config.staticfiles.HashedWhenCollected"},
}

# Written out: Django puts the prefix of a request before a relative one, and keeps what it read
# first, which is before any request.
STATIC_URL = f"{_public.prefix if _public else ''}/static/"
STATIC_ROOT = env.folder("STATIC_ROOT", MODELYARD_HOME / "static")
# Without a collected set the files are served from where they lie, so that nobody has to
# remember `collectstatic`; `manage.py up` collects them.
WHITENOISE_USE_FINDERS = not (STATIC_ROOT / "staticfiles.json").exists()
WHITENOISE_AUTOREFRESH = False

FILE_UPLOAD_TEMP_DIR = str(MODELYARD_HOME / "tmp")
FILE_UPLOAD_PERMISSIONS = 0o640
# A body that is no form is read whole by a view; each view has a cap of its own below this.
DATA_UPLOAD_MAX_MEMORY_SIZE = max(MODELYARD["MAX_BODY_BYTES"], MODELYARD["MAX_BINARY_BODY_BYTES"])

# --- People and sessions ------------------------------------------------------------------------

AUTH_USER_MODEL = "registry.User"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend"]
# What is not taken any more ends the sessions that stand on it.
if _takes_passwords:
    AUTHENTICATION_BACKENDS.append("django.contrib.auth.backends.ModelBackend")
if _sign_on is not None:
    AUTHENTICATION_BACKENDS.append("registry.actions.sign_on.SignedOn")
if not _takes_passwords and _sign_on is None:
    raise SettingError(
        "PASSWORD_SIGN_IN", "without passwords and OIDC_ISSUER nobody can enter.", "Set one."
    )
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
# A link of a mail about a forgotten password.
PASSWORD_RESET_TIMEOUT = 3600

# No account is known by an address, no claim and no token is kept.
SOCIALACCOUNT_ADAPTER = "registry.admin.open_id.Entering"
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_REQUESTS_TIMEOUT = 10
ACCOUNT_EMAIL_VERIFICATION = "none"

# Our page says how long to wait; the package's own admin pages are left out.
AXES_LOCKOUT_TEMPLATE = "registry/locked_out.html"
AXES_ENABLE_ADMIN = False
AXES_FAILURE_LIMIT = 8
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_HTTP_RESPONSE_CODE = 429
AXES_ENABLE_ACCESS_FAILURE_LOG = False
# The address of the client is put right once, in config/forwarded.py, for everybody who asks.
AXES_CLIENT_IP_CALLABLE = "config.wsgi.client_address"
AXES_VERBOSE = False

# --- Mail -----------------------------------------------------------------------------------------

EMAIL_BACKEND = _mail.backend
EMAIL_HOST, EMAIL_PORT = _mail.host, _mail.port
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _mail.user, _mail.password
EMAIL_USE_TLS, EMAIL_USE_SSL = _mail.scheme == "smtp+tls", _mail.scheme == "smtps"
EMAIL_FILE_PATH = _mail.folder or None
EMAIL_TIMEOUT = 10
EMAIL_SUBJECT_PREFIX = ""
DEFAULT_FROM_EMAIL = SERVER_EMAIL = mail.sender(env.text("MAIL_SENDER"), _public)

# --- Browsers -----------------------------------------------------------------------------------

# A name on this machine always answers, for probes and for whoever sits at it.
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
if _public is not None:
    ALLOWED_HOSTS.append(f"[{_public.host}]" if ":" in _public.host else _public.host)
    FORCE_SCRIPT_NAME = _public.prefix or None
else:
    ALLOWED_HOSTS += [HOST, socket.gethostname().lower()]
CSRF_TRUSTED_ORIGINS = [_public.origin] if _public else []
CSRF_FAILURE_VIEW = "config.problems.csrf_failure"

if _is_https and not MODELYARD["TRUSTED_PROXIES"]:
    raise SettingError(
        "TRUSTED_PROXIES",
        "PUBLIC_URL is https, but no proxy is named that could end TLS.",
        "Write its address, such as 127.0.0.1 or 10.0.0.0/8.",
    )
# Whether a request came by https is set in config/forwarded.py, from what a trusted proxy says.
SECURE_SSL_REDIRECT = _is_https
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_HSTS_SECONDS = 31_536_000 if _is_https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = _is_https
SECURE_HSTS_PRELOAD = _is_https
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

_cookie = "__Host-modelyard" if _is_https else "modelyard"
# A backup holds no session that somebody could go on with.
SESSION_ENGINE = "registry.sessions"
SESSION_COOKIE_NAME = f"{_cookie}-session"
SESSION_COOKIE_SECURE = _is_https
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 14 * 24 * 3600
CSRF_COOKIE_NAME = f"{_cookie}-csrf"
CSRF_COOKIE_SECURE = _is_https
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        # Swagger UI's style sheet holds small pictures as data: URLs.
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
        "object-src": ["'none'"],
    },
}

# --- REST and its description -------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "registry.api.auth.ApiKeyAuthentication",
        "registry.api.auth.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PAGINATION_CLASS": "registry.api.pagination.PageNumbers",
    "PAGE_SIZE": 50,
    "DEFAULT_PARSER_CLASSES": ["registry.api.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["registry.api.renderers.StrictJSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "config.problems.drf_exception_handler",
    # `?format=csv` belongs to downloads; DRF would take it for the name of a renderer.
    "URL_FORMAT_OVERRIDE": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Modelyard",
    "DESCRIPTION": "Register models, score rows and datasets, run them on a schedule.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    # The paths begin behind the prefix; without a public address they are those of this host.
    "SERVERS": [{"url": str(_public)}] if _public else [],
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# --- Celery: the database is the truth, the broker is a doorbell --------------------------------


def _as_broker(redis_url: str) -> str:
    """Kombu writes a Unix socket as ``redis+socket``, and its database as a parameter."""
    if redis_url.startswith("unix://"):
        return redis_url.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=")
    return redis_url


CELERY_BROKER_URL = _as_broker(REDIS_URL)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 300,
    "socket_timeout": 30,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 25,
    "global_keyprefix": "modelyard:",
    # Ringing is given up at once when the broker is away: whatever waits is found again.
    "max_retries": 0,
}
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_TIMEZONE = "UTC"
CELERY_ENABLE_UTC = True
CELERY_TASK_DEFAULT_QUEUE = "modelyard"
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_STORE_ERRORS_EVEN_IF_IGNORED = False
CELERY_TASK_TIME_LIMIT = 180
CELERY_TASK_SOFT_TIME_LIMIT = 120
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_DISABLE_PREFETCH = True
CELERY_WORKER_MAX_TASKS_PER_CHILD = 200
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 30
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = False
# In memory: two beats and a repeated tick do no harm, so there is no file to keep or to mend.
CELERY_BEAT_SCHEDULER = "celery.beat:Scheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 5
CELERY_BEAT_SCHEDULE = {
    # They expire: after an hour without workers one ring is enough.
    "tick": {"task": "serving.tick", "schedule": 15.0, "options": {"expires": 15}},
    "reconcile": {"task": "serving.reconcile", "schedule": 10.0, "options": {"expires": 10}},
    # Once a night, in UTC; twice does no harm.
    "prune": {
        "task": "registry.prune",
        "schedule": crontab(hour=3, minute=17),
        "options": {"expires": 3_600},
    },
}

# --- Language and time --------------------------------------------------------------------------

LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
TIME_ZONE = env.zone("TIME_ZONE", "UTC")

# --- Logging ------------------------------------------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request_id": {"()": "config.request_id.RequestIdFilter"}},
    "formatters": {
        "line": {
            "format": "%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s",
        },
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["request_id"],
        },
    },
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        # Django's own handlers would write a second copy, or mail.
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "django.server": {"handlers": [], "propagate": True},
        # Every 4xx as a warning with a traceback's worth of text is noise: the answer says it.
        "django.request": {"level": "ERROR"},
        # Scanners ask for other hosts all day; the answer is a 400, and no news.
        "django.security.DisallowedHost": {"handlers": [], "propagate": False},
        "axes": {"level": "WARNING"},
        # Two lines for each ring of the bell, every few seconds.
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
    },
}
