"""Secrets in addresses and texts: none may stand in a configuration, log or record."""

import re
from typing import Any
from urllib.parse import unquote_plus, urlsplit

TOKEN_SCHEMES = ("http", "https", "databricks", "databricks-uc")
"""Here the part before ``@`` is a password or a token; of a database it is the account's name."""
SECRET_KEY = (
    r"(?<![\w.])(?:[\w.-]*(?:password|passwd|passphrase|pwd|secret|credentials?|api[-_]?key"
    r"|access[-_]?key(?:[-_]?id)?|private[-_]?key|authorization)"
    r"|(?:[\w.-]*(?:access|api|auth|bearer|deploy|hf|id|private|refresh|security|session)[-_])?token)"
)
"""What a value is called that is secret (``pad_token`` and its like are none)."""
SECRET_VALUE = re.compile(rf"(?i)({SECRET_KEY}['\"]?\s*[=:]\s*['\"]?)(?!//)[^\s&;,'\")]+")
SECRET_TEXT = re.compile(r"(?i)(\bbearer\s+)[\w.~+/=-]{8,}|\b(hf_|ghp_|glpat-|sk-)[\w-]{16,}")
"""Secrets that are known by their form: of HTTP headers, the hub, GitHub, GitLab, endpoints."""
BEFORE_HOST = re.compile(r"[^:/@]*:[^@]+@")
"""How a database's client finds account and password, which may hold any other sign."""
IN_QUERY = re.compile(rf"(?i)(?:^|[&;?])\s*(?:{SECRET_KEY}|[\w.-]*signature|sig|[\w-]*auth)\s*=")
"""A query's keys that are secret: a signature is one there, and in a table of scores none."""
ADVICE = (
    "leave it out of the URI; a server's is read from MLFLOW_TRACKING_USERNAME and "
    "MLFLOW_TRACKING_PASSWORD (or MLFLOW_TRACKING_TOKEN), a database's by its own client "
    "(PostgreSQL: ~/.pgpass or PGPASSWORD)"
)
"""What to do instead for a tracking store."""
NETRC = (
    "leave it out; downloads take a host's account from ~/.netrc, with mode 600: "
    "machine HOST login NAME password PASSWORD"
)
"""What to do instead for a source or a mirror."""


def has_credentials(uri: str) -> bool:
    """Tells whether a URI carries a password or token before the ``@``, in its query or fragment,
    also in values with keys of their own (``odbc_connect=…;PWD=…``)."""
    parts = urlsplit(uri)
    if parts.scheme in TOKEN_SCHEMES and parts.netloc.rpartition("@")[0]:
        return True
    if parts.scheme not in TOKEN_SCHEMES and BEFORE_HOST.match(uri.partition("://")[2]):
        return True
    values = f"{parts.query}&{parts.fragment}".replace("odbc_connect=", "")
    return bool(IN_QUERY.search(unquote_plus(values)))


def without_credentials(text: str) -> str:
    """Returns a text without what may be secret: what stands before the ``@`` of URIs, queries and
    fragments with secrets, values of keys such as ``password=``, and tokens of known form."""
    text = re.sub(r"(?<=://)[^@\s/]*:[^@\s]*@|(?<=://)[^@\s/?#]+@", "", text)
    text = re.sub(r"(://[^\s?#'\"]*[?#])([^\s'\"]+)", _without_query, text)
    text = SECRET_TEXT.sub(lambda found: f"{found[1] or found[2]}…", text)
    return SECRET_VALUE.sub(r"\1…", text)


def _without_query(found: re.Match[str]) -> str:
    values = unquote_plus(found[2]).replace("odbc_connect=", "").replace("#", "&")
    return f"{found[1]}…" if IN_QUERY.search(values) else found[0]


def masked(value: Any) -> Any:
    """Returns a JSON value whose texts and keys hold no secrets."""
    if isinstance(value, str):
        return without_credentials(value)
    if isinstance(value, dict):
        return {masked(key): masked(inner) for key, inner in value.items()}
    return [masked(inner) for inner in value] if isinstance(value, list) else value
