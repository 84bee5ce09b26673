"""What a program does with the public client libraries: see who it is, read, write, attach. They block, so they run in
a thread of their own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from atlassian import Confluence, Jira
from jira import JIRA

Told = dict[str, Any]


def downloaded(url: str, token: str, key: str) -> bytes:
    """The first file at an issue, as the library `jira` fetches it."""
    client: Any = JIRA(server=url, token_auth=token, max_retries=0, timeout=10)
    try:
        content: bytes = client.issue(key).fields.attachment[0].get()
    finally:
        client.close()
    return content


def with_jira(url: str, token: str, file: Path) -> Told:
    """The library `jira`."""
    client: Any = JIRA(server=url, token_auth=token, max_retries=0, timeout=10)
    try:
        issue = client.create_issue(project="KEY", summary="Paint the gate", issuetype={"name": "Task"})
        comment = client.add_comment(issue, "Green, please.")
        attachment = client.add_attachment(issue, str(file))
        again = client.issue(issue.key)
        return {
            "who": client.myself()["name"],
            "found": sorted(one.key for one in client.search_issues("project = KEY", maxResults=50)),
            "issue": (again.key, again.fields.summary),
            "comment": (comment.body, [one.body for one in again.fields.comment.comments]),
            "file": (attachment.filename, attachment.size),
        }
    finally:
        client.close()


def with_atlassian_jira(url: str, token: str, file: Path) -> Told:
    """The library `atlassian-python-api`, at Jira."""
    client: Any = Jira(url, token=token, timeout=10)
    try:
        made = client.issue_create(
            {"project": {"key": "KEY"}, "summary": "Paint the gate", "issuetype": {"name": "Task"}}
        )
        comment = client.issue_add_comment(made["key"], "Green, please.")
        (attachment,) = client.add_attachment(made["key"], str(file))
        again = client.issue(made["key"])
        said = [one["body"] for one in again["fields"]["comment"]["comments"]]
        return {
            "who": client.myself()["name"],
            "found": sorted(one["key"] for one in client.jql("project = KEY")["issues"]),
            "issue": (again["key"], again["fields"]["summary"]),
            "comment": (comment["body"], said),
            "file": (attachment["filename"], attachment["size"]),
        }
    finally:
        client.close()


def with_atlassian_confluence(url: str, token: str, file: Path) -> Told:
    """The library `atlassian-python-api`, at Confluence."""
    library: Any = Confluence
    client = library(url, token=token, cloud=False, timeout=10)
    try:
        made = client.create_page("DEV", "How the gate is painted", "<p>Green.</p>")
        comment = client.add_comment(made["id"], "<p>Really?</p>")
        client.attach_file(str(file), page_id=made["id"])
        again = client.get_page_by_id(made["id"], expand="body.storage")
        files = client.get_attachments_from_content(made["id"])["results"]
        return {
            "who": client.get_user_details_by_username("alice")["username"],
            "found": sorted(one["content"]["title"] for one in client.cql('title ~ "gate"')["results"]),
            "page": (again["title"], again["body"]["storage"]["value"]),
            "comment": comment["type"],
            "file": [(one["title"], one["extensions"]["fileSize"]) for one in files],
        }
    finally:
        client.close()
