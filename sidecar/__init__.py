"""Lychgate: the gate in front of Jira and Confluence. The map of the rooms is in docs/architecture.md."""

__version__ = "0.1.0"
