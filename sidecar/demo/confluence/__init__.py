"""A stand-in Confluence: its REST of users, groups, spaces, pages and files, behind personal access tokens and a
trusted header.

It keeps everything in memory and listens on the loopback only. Start reading at `server.py`.
"""

from __future__ import annotations

from sidecar.demo.confluence.server import serve_confluence
from sidecar.demo.confluence.state import ConfluenceConfig, ConfluenceState, Page

__all__ = ["ConfluenceConfig", "ConfluenceState", "Page", "serve_confluence"]
