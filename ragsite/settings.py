"""Django settings, read from the environment once. docs/configuration.md lists the variables.

Without any variable: the embedded services of `manage.py up`, in RAGSITE_DATA_DIR. With one variable
(DATABASE_URL, REDIS_URL, ...): that service is external, the others stay embedded.
"""

import secrets
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django_stubs_ext
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from . import environment as env
from . import shell
from .connections import celery_url, database_settings, embedded_redis_url

django_stubs_ext.monkeypatch()  # allows annotations such as ModelAdmin[Endpoint] at run time too

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(env.text("RAGSITE_DATA_DIR", str(BASE_DIR / ".ragsite"))).expanduser().resolve()


def _own_secret_key() -> str:
    """Return the key, and create it on the first start, so that sessions survive a restart."""
    path = DATA_DIR / "secret_key"
    try:
        if not path.exists():
            DATA_DIR.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(48))
        return path.read_text()
    except OSError as error:
        raise ImproperlyConfigured(
            f"RAGSITE_DATA_DIR={DATA_DIR} cannot be read and written: {error.strerror}."
        ) from error


DEBUG = env.flag("RAGSITE_DEBUG", False)
SECRET_KEY = env.secret("RAGSITE_SECRET_KEY") or _own_secret_key()
HOST = env.text("RAGSITE_HOST", "127.0.0.1")
PORT = env.number("RAGSITE_PORT", 8000, least=1, most=65535)
LISTENS_EVERYWHERE = HOST in ("0.0.0.0", "::")  # no address that anyone can visit
_own_host = "127.0.0.1" if LISTENS_EVERYWHERE else f"[{HOST}]" if ":" in HOST else HOST
SITE_URL = env.origin("RAGSITE_SITE_URL", f"http://{_own_host}:{PORT}")
ALLOWED_HOSTS = [
    *env.words("RAGSITE_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]"),
    urlsplit(SITE_URL).netloc.removesuffix(f":{urlsplit(SITE_URL).port}"),
]
CSRF_TRUSTED_ORIGINS = [SITE_URL]

# --- services -----------------------------------------------------------------------------------

DATABASE_URL = env.url("DATABASE_URL", ("postgres", "postgresql"))
shell.forget_other_databases(DATABASE_URL)
shell.reach_this_machine_directly()
REDIS_URL = env.url("REDIS_URL", ("redis", "rediss", "unix"))
SERVING_URL = env.url("RAGSITE_SERVING_URL", ("http", "https"))
SERVING_PORT = env.number("RAGSITE_SERVING_PORT", 8011, least=1, most=65535)
LLM_PORT = env.number("RAGSITE_LLM_PORT", 8012, least=1, most=65535)

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        **database_settings(DATABASE_URL, DATA_DIR),
        "CONN_MAX_AGE": 0,  # the pool keeps connections; Django returns them immediately
    }
}
_database_options = DATABASES["default"].setdefault("OPTIONS", {})
_database_options["pool"] = {
    "min_size": 1,
    "max_size": env.number("RAGSITE_DATABASE_POOL", 12, least=2, most=200),
    "timeout": 10,
    # Each retry waits twice as long as the last, by default up to five minutes in all: the site would come
    # back long after its database. After this time, the next request retries immediately.
    "reconnect_timeout": 5,
}
# Detects a vanished server, as in a failover, within a minute: after 30 s if it does not acknowledge sent
# data, else by keepalives. The defaults are a quarter of an hour and two hours. DATABASE_URL takes
# precedence. https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
_KEEPALIVE = {
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
_database_options |= _KEEPALIVE | _database_options
# For core.db.statements; Django's own statements are never prepared.
if env.flag("RAGSITE_DATABASE_PREPARES", True):
    _generic = "-c plan_cache_mode=force_generic_plan"
    _database_options["prepare_threshold"] = 0
    _database_options["options"] = f"{_database_options.get('options', '')} {_generic}".strip()
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

_redis_url = REDIS_URL or embedded_redis_url(DATA_DIR)
CHANNEL_LAYERS = {
    "default": {
        # Never `core`: it drops silently from a full queue (docs/adr/0003-channel-layer.md).
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [_redis_url]},
    }
}
CACHES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": _redis_url},
    # Of this process alone, for what must go on without the server
    "own": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 10_000},
    },
}

CELERY_BROKER_URL = celery_url(_redis_url)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # A killed worker's task is redelivered once visibility_timeout has passed and the restore loop runs. The
    # document's lease protects tasks that run longer, not this timeout.
    "visibility_timeout": 3600,
    "unacked_restore_interval": 2,
    "unacked_restore_throttle": 1,
    "socket_timeout": None,  # by default redis-py 8 times out after 5 s, which breaks blocking reads
}
CELERY_DB_REUSE_MAX = 1000  # tasks per pool; ragsite/celery.py returns its connections after each task
CELERY_IMPORTS = [
    "documents.adding.uploads",
    "ragsite.cleaning.tasks",
]  # modules other than tasks.py that define tasks
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULER = "ragsite.monitoring.schedule:Scheduler"
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "beat-schedule")
# Seconds between two runs of what ragsite.cleaning.runs.CLEANINGS names
CLEANINGS = {
    "logins": 3600.0,
    "answer-logs": 900.0,
    "searches": 3600.0,
    "uploads": 3600.0,
    "quarantine": 3600.0,
    "held-files": 3600.0,
    "ledgers": 6 * 3600.0,
    "terms": 24 * 3600.0,
    "addresses": 24 * 3600.0,
    "audit-log": 6 * 3600.0,
    "deletions": 24 * 3600.0,
    "admin-log": 24 * 3600.0,
    "shared-links": 24 * 3600.0,
    "temporary-chats": 60.0,
    "imports": 3600.0,
}
CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "recover-documents": {
        "task": "documents.recover",
        "schedule": 5.0,
        # Priority over waiting tasks. A late run is useless, because the next one follows.
        "options": {"priority": 0, "expires": 15},
    },
    "vector-indexes": {
        "task": "workspaces.look_after_vector_indexes",
        "schedule": 10.0,
        "options": {"expires": 30},
    },
    "continue-deletions": {
        "task": "accounts.ask_for_deletions",
        "schedule": 15.0,
        "options": {"expires": 15},
    },
    "continue-imports": {
        "task": "chat.ask_for_imports",
        "schedule": 15.0,
        "options": {"expires": 15},
    },
    "renew-terms": {"task": "documents.renew_terms", "schedule": 60.0, "options": {"expires": 60}},
    "index-conversations": {"task": "chat.index_conversations", "schedule": 60.0},
    "visit-sources": {"task": "documents.visit_sources", "schedule": 60.0},
    "calibrate-workspaces": {"task": "documents.calibrate", "schedule": 60.0},
    "check-endpoints": {"task": "models_registry.check_all", "schedule": 300.0},
    **{
        f"clean-{name}": {"task": "ragsite.clean", "args": [name], "schedule": every_s}
        for name, every_s in CLEANINGS.items()
    },
}

# A message that waits longer than its period is dropped: after a time without a worker, each task runs once.
for _periodic in CELERY_BEAT_SCHEDULE.values():
    _periodic["options"] = {"expires": _periodic["schedule"]} | _periodic.get("options", {})

# --- files --------------------------------------------------------------------------------------

S3_BUCKET = env.text("RAGSITE_S3_BUCKET")  # "": store files in DATA_DIR
S3_ENDPOINT = env.url("RAGSITE_S3_ENDPOINT", ("http", "https"))  # "": Amazon's
S3_REGION = env.text("RAGSITE_S3_REGION", "us-east-1")
S3_EVENT_SECRET = env.secret("RAGSITE_S3_EVENT_SECRET")  # "": reject events of the bucket


_s3_url = S3_ENDPOINT or f"https://s3.{S3_REGION}.amazonaws.com"


def _s3() -> dict[str, Any]:
    return {
        "BACKEND": "ragsite.storage.S3",
        "OPTIONS": {
            "bucket_name": S3_BUCKET,
            "endpoint_url": _s3_url,
            "region_name": S3_REGION,
            "addressing_style": "path",  # one origin for every bucket, and any name works with TLS
            "signature_version": "s3v4",
            "file_overwrite": False,
            "max_memory_size": 1024 * 1024,  # larger files are read through a temporary file
        },
    }


MEDIA_ROOT = DATA_DIR / "media"
# What `manage.py backup` takes from DATA_DIR besides the files of documents, and the variables that it names as not
# included
BACKUP_FILES = ["secret_key", "handbook.json"]
UPGRADE_DUMPS = DATA_DIR / "dumps"
UPGRADE_DUMP = env.flag(
    "RAGSITE_UPGRADE_DUMP", not DATABASE_URL
)  # whether `prepare` keeps a dump before it migrates
BACKUP_VARIABLES = ("RAGSITE_", "DATABASE_URL", "REDIS_URL", "OPENAI_", "FORWARDED_ALLOW_IPS")
STATIC_ROOT = DATA_DIR / "static"
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": _s3() if S3_BUCKET else {"BACKEND": "core.files.Folder"},
    "staticfiles": {"BACKEND": "ragsite.static.ManifestStorage"},
}

# --- keys of models ------------------------------------------------------------------------------

# What the secret references of endpoints may name, but never PRIVATE_VARIABLES. Both are patterns of fnmatch.
MODEL_SECRET_VARIABLES = [
    *("*API_KEY*", "*API_TOKEN*", "*AUTH_TOKEN*", "*ACCESS_TOKEN*", "*_TOKEN", "RAGSITE_MODEL_*"),
    *env.words("RAGSITE_MODEL_SECRET_VARIABLES"),
]
MODEL_SECRET_DIRS = [
    *("/run/secrets", "/var/run/secrets", str(DATA_DIR / "model_keys")),
    *env.words("RAGSITE_MODEL_SECRET_DIRS"),
]
PRIVATE_VARIABLES = [
    *(
        "RAGSITE_[!M]*",
        "RAGSITE_MODEL_SECRET_*",
        "SECRET_KEY*",
        "DJANGO_*",
        "DATABASE_*",
        "REDIS_*",
        "CELERY_*",
    ),
    *("PG*", "POSTGRES*", "AWS_*", "S3_*", "*PASSWORD*", "*_DSN"),
]

# --- limits -------------------------------------------------------------------------------------

UPLOAD_MAX_BYTES = env.number("RAGSITE_UPLOAD_MAX_MB", 50, least=1, most=2048) * 1024 * 1024
# Files of more than 20 MB that are ingested at the same time; the other workers are for everything else
LARGE_FILES_AT_ONCE = env.number("RAGSITE_LARGE_FILES_AT_ONCE", 1, least=1, most=1000)
INDEX_MEMORY_MB = env.number(
    "RAGSITE_INDEX_MEMORY_MB", 1024, least=64, most=1_000_000
)  # of PostgreSQL, for building one index
IMPORT_MAX_BYTES = env.number("RAGSITE_IMPORT_MAX_MB", 500, least=1, most=10_000) * 1024 * 1024
QUESTION_MAX_CHARACTERS = 20_000
TITLES = env.flag("RAGSITE_TITLES", True)  # whether a model makes the titles of sessions
TITLE_MODEL = env.text("RAGSITE_TITLE_MODEL")  # "": the model that answered
QUARANTINE_DAYS = env.number("RAGSITE_QUARANTINE_DAYS", 30, least=1, most=3650)
AUDIT_KEPT_DAYS = env.number("RAGSITE_AUDIT_KEPT_DAYS", 0, least=0, most=36_500)  # 0: for ever
SEARCHES_KEPT_DAYS = env.number("RAGSITE_SEARCHES_KEPT_DAYS", 30, least=1, most=3650)
SPEECH = env.flag("RAGSITE_SPEECH", True)  # some browsers send what is dictated to their maker
ANSWERS_AT_ONCE = env.number("RAGSITE_ANSWERS_AT_ONCE", 32, least=1, most=1000)  # per web process
ANSWERS_PER_USER = env.number(
    "RAGSITE_ANSWERS_PER_USER", 8, least=1, most=1000
)  # concurrently, over all processes
# Searches, comparisons and checks that wait for a model, per web process; and those of one user
MODEL_CALLS_AT_ONCE = env.number("RAGSITE_MODEL_CALLS_AT_ONCE", 32, least=1, most=1000)
MODEL_CALLS_PER_USER = env.number("RAGSITE_MODEL_CALLS_PER_USER", 8, least=1, most=1000)
REQUESTS_AT_ONCE = env.number("RAGSITE_REQUESTS_AT_ONCE", 256, least=8, most=10_000)  # per web process
CALLS_PER_SECOND = env.number("RAGSITE_CALLS_PER_SECOND", 50, least=1, most=10_000)  # of one user, to REST
FRAMES_PER_SECOND = env.number("RAGSITE_FRAMES_PER_SECOND", 20, least=1, most=100_000)  # of one user's pages
BUSY_AFTER_S = 15.0  # after waiting for this long, a request gets status 503
SEARCH_CACHE_SECONDS = env.number("RAGSITE_SEARCH_CACHE_SECONDS", 300, least=0, most=86_400)
# Private hosts that the SSRF guard allows the crawler to visit, such as an intranet. Public hosts need no
# entry.
ALLOWED_PRIVATE_HOSTS = [host.lower() for host in env.words("RAGSITE_ALLOWED_PRIVATE_HOSTS")]
CRAWL_MAX_PAGES = env.number("RAGSITE_CRAWL_MAX_PAGES", 5000, least=1, most=100_000)  # per website
CRAWL_MAX_DEPTH = env.number("RAGSITE_CRAWL_MAX_DEPTH", 20, least=0, most=1000)  # links from the start page
CRAWL_PAGE_MAX_BYTES = env.number("RAGSITE_CRAWL_PAGE_MAX_MB", 20, least=1, most=500) * 1024 * 1024
CRAWL_TIMEOUT_S = env.number("RAGSITE_CRAWL_TIMEOUT", 20, least=1, most=600)  # seconds per page
CRAWL_HELD_PERCENT = env.number("RAGSITE_CRAWL_HELD_PERCENT", 30, least=1, most=100)  # pages a visit misses
CRAWL_HELD_VISITS = env.number("RAGSITE_CRAWL_HELD_VISITS", 5, least=2, most=100)  # then they are removed
CRAWL_AT_ONCE = env.number("RAGSITE_CRAWL_AT_ONCE", 4, least=1, most=16)  # concurrent requests to one website
FILE_UPLOAD_PERMISSIONS, FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o600, 0o700
FILE_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024  # larger uploads go to a temporary file
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024

# --- the site -----------------------------------------------------------------------------------

ROOT_URLCONF = "ragsite.urls"
ASGI_APPLICATION = "ragsite.asgi.application"
INSTALLED_APPS = [
    "ragsite.release",  # its `runserver` comes before the others
    "ragsite.apps.RagsiteAdmin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "whitenoise.runserver_nostatic",
    "ragsite.apps.StaticFiles",
    "django.contrib.humanize",
    "django.forms",
    "channels",
    "csp",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "accounts",
    "models_registry",
    "workspaces",
    "documents",
    "chat",
    "ragsite",
]
MIDDLEWARE = [
    "ragsite.health.accept_probes",  # before anything looks at the host
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "ragsite.compression.CompressPages",
    "csp.middleware.CSPMiddleware",
    "ragsite.door.privacy.NoStore",
    "ragsite.door.privacy.RefuseNul",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.identity.login_required.LoginRequired",  # deny by default
    "accounts.identity.time_zone.UserTimeZone",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "ragsite.door.refusals.RefuseWhenBusy",
    "ragsite.door.refusals.ExplainMethod",
    "django_htmx.middleware.HtmxMiddleware",
]
FORM_RENDERER = (
    "django.forms.renderers.TemplatesSetting"  # so that templates/django/forms replaces Django's own
)
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

# --- people and security ------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "chat"
LOGOUT_REDIRECT_URL = "login"
PASSWORD_HASHERS = ["accounts.password_hashing.BoundedArgon2"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

IS_HTTPS = SITE_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if IS_HTTPS else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if IS_HTTPS else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        # Browsers upload files to the bucket directly
        "connect-src": [SELF, _s3_url] if S3_BUCKET else [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
    }
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        # First, because it defines the scheme of a 401 response.
        "accounts.identity.api_key.ApiKeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.LimitOffsetPagination",
    "PAGE_SIZE": 50,
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["core.rest.parsers.Json"],
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Ragsite",
    "VERSION": "1",
    "DESCRIPTION": (
        "Workspaces, documents, search and sessions, as the pages use them.\n\n"
        "Send an API key as `Authorization: Bearer rs_...`. Fields are camelCase; an unknown field is "
        "rejected by its name. Lists take `limit` and `offset`. What you may not see looks as if it did not "
        'exist: 404. Errors are `{"detail": "..."}`, or a list of sentences for each field.'
    ),
    "TAGS": [
        {"name": n}
        for n in (
            "health",
            "models",
            "workspaces",
            "documents",
            "search",
            "sessions",
            "shared links",
            "openai",
        )
    ],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "chat.openai.schema.add_openai",
    ],
    # JavaScript, because of the plugin for screen readers: in each operation's button there is a text and not a
    # link, which no key would reach; the description is a landmark; the headings leave out no level.
    "SWAGGER_UI_SETTINGS": """{
        deepLinking: true,
        defaultModelsExpandDepth: 0,
        plugins: [({ React: { createElement, Fragment } }) => ({
            wrapComponents: {
                DeepLink: () => ({ text }) => createElement("span", null, text),
                InfoContainer: (Info) => (props) =>
                    createElement("section", { "aria-label": "About" }, createElement(Info, props)),
                operations: (Operations) => (props) =>
                    createElement(
                        Fragment,
                        null,
                        createElement("h2", { className: "operations-title" }, "Operations"),
                        createElement(Operations, props),
                    ),
            },
        })],
    }""",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENUM_NAME_OVERRIDES": {
        "LanguageEnum": "workspaces.serializers.LANGUAGE_CODES",
        "IndexKindEnum": "workspaces.models.IndexKind",
        "ChunkingStrategyEnum": "workspaces.models.ChunkingStrategy",
        "DocumentStatusEnum": "documents.models.Work.Status",
        "AnswerStatusEnum": "chat.models.Answer.Status",
        "SharedLinkAudienceEnum": "chat.models.SharedLink.Audience",
        "SearchOutcomeEnum": "documents.models.Search.Outcome",
        "DocumentKindEnum": "documents.models.Document.Kind",
        "TextRoleEnum": ["query", "passage"],
    },
}

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env.text("RAGSITE_LOG_LEVEL", "INFO")},
}

if IS_HTTPS and not env.secret("RAGSITE_SECRET_KEY"):
    raise ImproperlyConfigured(
        "RAGSITE_SITE_URL is https, so this is a real installation: set RAGSITE_SECRET_KEY "
        "(or RAGSITE_SECRET_KEY_FILE), the same for every process."
    )
