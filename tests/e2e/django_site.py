"""A site under Django, signed in at by `django-crowd-auth` unchanged: it stands where a product would, with a Crowd
server to ask. Run as a process of its own: `python -m tests.e2e.django_site <port> <folder>`, the Crowd server as a
line of JSON on standard input; it says "ready", and ends with its input.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.contrib.auth import authenticate, get_user_model
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.http import HttpRequest, JsonResponse
from django.urls import path, re_path


def status(_request: HttpRequest) -> JsonResponse:
    """What products say of themselves."""
    return JsonResponse({"state": "RUNNING"})


def log_in(request: HttpRequest) -> JsonResponse:
    """With a password, as a product's form does."""
    user = authenticate(request, username=request.GET["username"], password=request.GET["password"])
    return JsonResponse({"name": user.get_username() if user is not None else None})


def synchronise(_request: HttpRequest) -> JsonResponse:
    """Take over all users and groups."""
    call_command("sync_crowd")
    people = get_user_model().objects.order_by("username")
    return JsonResponse({one.get_username(): [group.name for group in one.groups.all()] for one in people})


def anything(request: HttpRequest) -> JsonResponse:
    """Any other page: who is there, and what was sent."""
    user = request.user
    name = user.get_username() if user.is_authenticated else None
    groups = [group.name for group in user.groups.all()] if name is not None else []
    found = JsonResponse({"name": name, "groups": groups, "sent": len(request.body)})
    found["X-AUSERNAME"] = name or "anonymous"
    return found


urlpatterns = [
    path("status", status),
    path("log-in", log_in),
    path("synchronise", synchronise),
    re_path("", anything),
]


def configure(folder: Path, crowd: dict[str, Any]) -> None:
    """Everything as the package's own description says; the session cookie is named as the products name it."""
    settings.configure(
        SECRET_KEY="only for a test",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        USE_TZ=True,
        INSTALLED_APPS=[
            "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "django_crowd_auth",
        ],
        # The tables are made at once, and not in the steps of years.
        MIGRATION_MODULES={"auth": None, "contenttypes": None, "sessions": None},
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": folder / "django.sqlite"}},
        SESSION_COOKIE_NAME="JSESSIONID",
        AUTHENTICATION_BACKENDS=["django_crowd_auth.backends.Backend"],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django_crowd_auth.middlewares.sso",
        ],
        CROWD_CLIENT=crowd,
        CROWD_SESSION_VALIDATION_INTERVAL=0,
    )  # fmt: skip
    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)


def main() -> None:
    """Serve until the input ends."""
    configure(Path(sys.argv[2]), json.loads(sys.stdin.readline()))
    server = ThreadedWSGIServer(("127.0.0.1", int(sys.argv[1])), WSGIRequestHandler)
    server.daemon_threads = True
    server.set_app(WSGIHandler())
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()
    server.shutdown()
    serving.join()


if __name__ == "__main__":
    main()
