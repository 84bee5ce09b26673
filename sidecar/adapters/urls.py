"""How addresses in the configuration are read: one strict reading, used by every settings model and check."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from sidecar.adapters.settings import fault


def http_url(value: str) -> SplitResult:
    """The parts of an absolute http or https address without userinfo, query and fragment.

    Raises:
        PydanticCustomError: naming what is wrong; the address is not repeated since it may hold a password.
    """
    if not value.isascii() or not value.isprintable() or any(ch in value for ch in ' "<>\\^`{|}'):
        raise fault("has characters that no address has", "write it in ASCII, without blanks; hosts as xn--…")
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise fault("is no address", "write scheme://host or scheme://host:port") from None
    if parts.scheme not in {"http", "https"} or not host or port == 0 or parts.netloc.endswith(":"):
        raise fault("is no http address", "write https://host or https://host:port")
    if "@" in parts.netloc:
        raise fault("carries a user or password", "remove what stands before the @; secrets have settings of their own")
    if "?" in value or "#" in value:
        raise fault("carries a query or fragment", "end the address before the ? or #")
    return parts


def origin(parts: SplitResult) -> str:
    """`scheme://host[:port]`, lower case, without the default port (RFC 6454, section 6.2)."""
    return f"{parts.scheme}://{host_port(parts)}"


def host_port(parts: SplitResult) -> str:
    """Host and port as browsers send them in `Host`."""
    host = (parts.hostname or "").rstrip(".")
    text = f"[{host}]" if ":" in host else host
    default = {"http": 80, "https": 443}[parts.scheme]
    return text if parts.port in (None, default) else f"{text}:{parts.port}"


def is_loopback(host: str | None) -> bool:
    """Whether the name or address can only be this machine (RFC 6761, section 6.3; RFC 1122, section 3.2.1.3)."""
    name = (host or "").lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def is_plain_outside_loopback(address: str) -> bool:
    """Whether what goes to *address* crosses a network unencrypted."""
    parts = urlsplit(address)
    return parts.scheme == "http" and not is_loopback(parts.hostname)


def with_query(url: str, more: Iterable[tuple[str, str]]) -> str:
    """*url* with *more* at the end of its query."""
    parts = urlsplit(url)
    return parts._replace(query=urlencode([*parse_qsl(parts.query, keep_blank_values=True), *more])).geturl()
