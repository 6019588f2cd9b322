"""Settings of a test run: the real ones, on a state folder that goes away with the process."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

_home = Path(tempfile.mkdtemp(prefix="my-test-"))
_owner = os.getpid()


@atexit.register
def _remove_home() -> None:
    """Only in the process that made it: a forked child runs this too when it exits."""
    if os.getpid() == _owner:
        shutil.rmtree(_home, ignore_errors=True)


# A developer's own variables must not steer the tests.
for _name in (
    "DATABASE_URL", "REDIS_URL", "STORAGE_URL", "SECRET_KEY", "SECRET_KEY_FALLBACKS",
    "EMAIL_URL", "MAIL_SENDER", "PASSWORD_SIGN_IN", "OIDC_ISSUER", "OIDC_CLIENT_ID",
    "OIDC_CLIENT_SECRET", "OIDC_LABEL", "OIDC_SCOPES", "OIDC_USERNAME_CLAIM",
    "OIDC_GROUPS_CLAIM", "OIDC_ROLES", "OIDC_STAFF_GROUPS", "OIDC_SESSION_HOURS",
    "DEBUG", "PUBLIC_URL", "HOST", "PORT",
    "TRUSTED_PROXIES", "PROXY_HEADERS", "TIME_ZONE", "MODEL_FILE_POLICY", "MODEL_CARD_POLICY",
    "MODELYARD_ADMIN_PASSWORD", "DEMO",
    "MODELHOST_SOCKET", "STATIC_ROOT", "MODEL_MEMORY_BYTES", "MODELHOST_MEMORY_BYTES",
    "ENGINE_MEMORY_BYTES", "COMPILE_ROWS", "OUTGOING_HOSTS",
    "RATE_LIMIT", "MODEL_RATE_LIMIT", "ADDRESS_RATE_LIMIT", "MAX_ARTIFACT_BYTES",
    "MAX_DATASET_BYTES", "CACHE_BYTES", "UPDATE_BACKUPS", "MAX_BODY_BYTES", "MAX_BINARY_BODY_BYTES",
):  # fmt: skip
    os.environ.pop(_name, None)
    os.environ.pop(f"{_name}_FILE", None)
os.environ["MODELYARD_HOME"] = str(_home)
# Threads that wait for each other take twenty times as long where others want the processor too.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"
# Compiled models are compared on few rows; what the comparison finds has tests of its own.
os.environ["COMPILE_ROWS"] = "200"
os.environ["SECRET_KEY"] = "only-for-tests-" + "x" * 50

from config.settings import *  # noqa: E402, F403
from config.settings import DATABASES  # noqa: E402

# On disk, not in memory: threads and transactions then behave as they do in service.
DATABASES["default"]["TEST"] = {"NAME": str(_home / "test.sqlite3")}
# The slow hash is the point of Argon2, and of no test.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Tasks run where they are called, on commit; their errors reach the test.
CELERY_TASK_ALWAYS_EAGER = True
CELERY_TASK_EAGER_PROPAGATES = True
