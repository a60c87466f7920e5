"""Django settings. Everything that differs between installations comes from the environment."""

import contextlib
import os
import secrets
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import SplitResult, unquote, urlsplit

import environ

from ris_pacs import system_time_zone
from web.kernel.content_security import static_headers

env = environ.Env()
BASE_DIR = Path(__file__).resolve().parent.parent


def _refuse(text: str) -> NoReturn:
    """End before anything begins, with one line (sysexits' EX_CONFIG)."""
    print(f"RIS/PACS doesn't start: {text}", file=sys.stderr)
    sys.exit(78)


def _address(variable: str, default: str) -> tuple[str, int]:
    """Read `host:port` from the environment."""
    text = env.str(variable, default)
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit() or not 0 < int(port) < 65536:
        _refuse(f"{variable}={text!r} is not host:port, for example {default}")
    return host, int(port)


def _secret_key(home: Path) -> str:
    """Read the secret key of this home; make one, readable by its owner only, on the first run."""
    path = home / "secrets" / "secret_key"
    try:
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with (
                contextlib.suppress(FileExistsError),
                open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file,
            ):
                file.write(secrets.token_urlsafe(50))
        return path.read_text()
    except OSError as error:
        _refuse(f"{path} can't be read or written ({error.strerror}); set RIS_PACS_HOME to a folder of yours")


def _database(url: str) -> dict[str, Any]:
    """Read DATABASE_URL; what it says is never printed, since it may hold a password."""
    if not url.startswith(("sqlite:///", "postgres://", "postgresql://")):
        _refuse("DATABASE_URL is neither postgres://user:password@host:5432/name nor sqlite:///path")
    return dict(environ.Env.db_url_config(url))


_MAIL_PORTS = {"": 25, "smtp": 25, "smtps": 465, "smtp+starttls": 587}


def _mail_server() -> SplitResult:
    """Read RIS_PACS_SMTP; what it says is never printed, since it may hold a password."""
    try:
        server: SplitResult = urlsplit(env.str("RIS_PACS_SMTP", ""))
        is_right = server.scheme in _MAIL_PORTS and bool(server.hostname) == bool(server.scheme)
        if is_right and server.port != 0:
            return server
    except ValueError:
        pass
    _refuse("RIS_PACS_SMTP is not smtp://, smtps:// or smtp+starttls://user:password@host:port")


def _site_file() -> Path:
    """What RIS_PACS_SITE names, else the home's own; the demo site only where there is no other."""
    if named := env.str("RIS_PACS_SITE", ""):
        return Path(named).expanduser().resolve()
    own = HOME / "site.yaml"
    # A link that leads nowhere is the operator's too: better no start than one that lets everybody in.
    return own if os.path.lexists(own) else DEMO_SITE


HOME = Path(env.str("RIS_PACS_HOME", str(BASE_DIR / "var"))).expanduser().resolve()
HTTP_ADDRESS = _address("RIS_PACS_HTTP", "127.0.0.1:8000")
DICOM_ADDRESS = _address("RIS_PACS_DICOM", "127.0.0.1:11112")
HL7_ADDRESS = _address("RIS_PACS_HL7", "127.0.0.1:2575")
HL7_DESTINATION = _address("RIS_PACS_HL7_DESTINATION", "127.0.0.1:2576")
AE_TITLE = env.str("RIS_PACS_AE_TITLE", "RISPACS")
DEFAULT_SITE = BASE_DIR / "ris_pacs" / "default_site.yaml"
DEMO_SITE = BASE_DIR / "simulator" / "site.yaml"
SITE_FILE = _site_file()
LOOPBACK_ONLY = HTTP_ADDRESS[0] in ("127.0.0.1", "localhost", "::1")

DEBUG = env.bool("RIS_PACS_DEBUG", False)
if not DEBUG and "ENGINE_CRASH" in os.environ:
    _refuse("ENGINE_CRASH kills processes on purpose and is for tests only; unset it")
SECRET_KEY = env.str("RIS_PACS_SECRET_KEY", "") or _secret_key(HOME)
SECRET_KEY_FALLBACKS = env.list("RIS_PACS_SECRET_KEY_FALLBACKS", default=[])
ALLOWED_HOSTS = env.list(
    "RIS_PACS_ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]", HTTP_ADDRESS[0]]
)
CSRF_TRUSTED_ORIGINS = env.list("RIS_PACS_TRUSTED_ORIGINS", default=[])

DATABASES = {"default": _database(env.str("DATABASE_URL", f"sqlite:///{HOME / 'ris_pacs.sqlite3'}"))}
USING_SQLITE = DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3"
if USING_SQLITE:
    DATABASES["default"] |= {
        "ENGINE": "ris_pacs.sqlite",
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
            # In KiB. The upper pages of all indexes that a batch of orders writes to are kept in it.
            " PRAGMA cache_size=-8000;",
        },
        # A test database in a file of its own: every thread and process has to see it.
        "TEST": {"NAME": HOME / "test.sqlite3"},
    }
else:
    DATABASES["default"] |= {
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "connect_timeout": 5,
            "options": "-c statement_timeout=30000 -c lock_timeout=20000"
            " -c idle_in_transaction_session_timeout=60000"
            # What is prepared (ledger/set_statements.py) is planned once, not for each value.
            " -c plan_cache_mode=force_generic_plan",
        },
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "accounts",
    "ledger",
    "worklist",
    "archive",
    "reporting",
    "interfaces.hl7",
    "interfaces.dicom",
    "web",
    "ris_pacs",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "ninja",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "web.kernel.session.IdleSessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.token_middleware.TokenMiddleware",
    "web.kernel.actor_middleware.ActorMiddleware",
    "web.kernel.access_middleware.AccessMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "web.kernel.content_security.ContentSecurityPolicyMiddleware",
]
ROOT_URLCONF = "ris_pacs.urls"
WSGI_APPLICATION = "ris_pacs.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

AUTH_USER_MODEL = "accounts.User"
CSRF_FAILURE_VIEW = "web.kernel.error_pages.csrf_failure"
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "start"
LOGOUT_REDIRECT_URL = "sign-in"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
SESSION_COOKIE_AGE = 30 * 60
SESSION_SAVE_EVERY_REQUEST = True
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = env.bool("RIS_PACS_HTTPS", False)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if SESSION_COOKIE_SECURE else None
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"

# Read here, since Django sets TZ once it has read the settings.
SYSTEM_TIME_ZONE = system_time_zone.name()
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
STATIC_URL = "static/"
STATIC_ROOT = HOME / "static"
WHITENOISE_USE_FINDERS = True
WHITENOISE_ADD_HEADERS_FUNCTION = static_headers
# The folder of the viewer is named by what is in it.
WHITENOISE_IMMUTABLE_FILE_TEST = r"/vendor/ohif-[0-9a-f]{8}/"
FONTS = BASE_DIR / "web" / "static" / "vendor" / "dejavu-fonts-ttf"
DATA_UPLOAD_MAX_MEMORY_SIZE = 16 * 1024 * 1024

CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", "filesystem://")

_SMTP = _mail_server()
EMAIL_HOST, EMAIL_PORT = _SMTP.hostname or "", _SMTP.port or _MAIL_PORTS[_SMTP.scheme]
EMAIL_USE_SSL, EMAIL_USE_TLS = _SMTP.scheme == "smtps", _SMTP.scheme == "smtp+starttls"
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = unquote(_SMTP.username or ""), unquote(_SMTP.password or "")
DEFAULT_FROM_EMAIL = env.str("RIS_PACS_MAIL_FROM", "") or f"ris-pacs@{socket.gethostname()}"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "plain"},
        "nowhere": {"class": "logging.NullHandler"},
    },
    "root": {"handlers": ["console"], "level": env.str("RIS_PACS_LOG_LEVEL", "INFO")},
    "loggers": {
        "kombu.connection": {"level": "ERROR"},
        # What they say quotes values, so patients' data would get into logs.
        "pynetdicom": {"handlers": ["nowhere"], "propagate": False},
        "pydicom": {"handlers": ["nowhere"], "propagate": False},
    },
}
