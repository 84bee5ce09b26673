"""A stand-in Jira: users, groups, pages, downloads and a socket behind Seraph's order of authentication.

The demonstration and the tests stand it behind the gate.
It keeps everything in memory and listens on the loopback only.
Start reading at `handler.py`: it is the way of one request.
"""

from __future__ import annotations

from sidecar.demo.jira.faults import Faults, RateLimit
from sidecar.demo.jira.recording import Call
from sidecar.demo.jira.server import RunningJira, serve_jira
from sidecar.demo.jira.settings import (
    AnyProof,
    CrowdConfig,
    JiraConfig,
    NoProof,
    SharedSecret,
    SignedAssertion,
    SsoConfig,
)
from sidecar.demo.jira.state import (
    ApplicationRole,
    Attachment,
    Issue,
    JiraState,
    Session,
)
from sidecar.demo.people import User

__all__ = [
    "AnyProof",
    "ApplicationRole",
    "Attachment",
    "Call",
    "CrowdConfig",
    "Faults",
    "Issue",
    "JiraConfig",
    "JiraState",
    "NoProof",
    "RateLimit",
    "RunningJira",
    "Session",
    "SharedSecret",
    "SignedAssertion",
    "SsoConfig",
    "User",
    "serve_jira",
]
