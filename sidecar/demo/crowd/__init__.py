"""A stand-in Crowd: `/rest/usermanagement/1` for applications that know a password.

It serves its own people, or those of a stand-in Jira, as a Jira that is a user server does. `server.py` starts it.
"""

from __future__ import annotations

from sidecar.demo.crowd.server import CrowdConfig, crowd_people, serve_crowd

__all__ = ["CrowdConfig", "crowd_people", "serve_crowd"]
