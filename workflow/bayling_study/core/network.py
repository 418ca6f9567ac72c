"""Small facts of networking. Standard library only."""

import socket
import time
from contextlib import suppress
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from urllib.parse import urlsplit


def free_port() -> int:
    """Returns a TCP port of the loopback address on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_loopback(url: str) -> bool:
    """Returns whether an address names this machine: ``localhost`` or a loopback number."""
    host = urlsplit(url).hostname or ""
    try:
        number = ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return (getattr(number, "ipv4_mapped", None) or number).is_loopback


def retry_after(value: str | None, now: float | None = None) -> float | None:
    """Returns the seconds that a ``Retry-After`` header asks for (RFC 9110: a number or a date,
    seen from Unix time ``now``); None or nonsense asks for nothing."""
    with suppress(ValueError):
        return max(0.0, float(value or ""))
    with suppress(ValueError):
        when = parsedate_to_datetime(value or "").timestamp()
        return max(0.0, when - (time.time() if now is None else now))
    return None
