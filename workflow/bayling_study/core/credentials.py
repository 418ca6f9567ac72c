"""Secrets in addresses: a URI goes into command lines, logs and records, where none may stand."""

from __future__ import annotations

import re
from urllib.parse import unquote_plus, urlsplit

TOKEN_SCHEMES = ("http", "https", "databricks", "databricks-uc")
"""Here the part before ``@`` is a password or a token; of a database it is the account's name."""
SECRET_KEY = r"[\w.-]*(?:password|passwd|pwd|token|secret)"
BEFORE_HOST = re.compile(r"[^:/@]*:[^@]+@")
"""How a database's client finds account and password, which may hold any other sign."""
IN_QUERY = re.compile(rf"(?i)(?:^|[&;?])\s*{SECRET_KEY}\s*=")
ADVICE = (
    "leave it out of the URI; a server's is read from MLFLOW_TRACKING_USERNAME and "
    "MLFLOW_TRACKING_PASSWORD (or MLFLOW_TRACKING_TOKEN), a database's by its own client "
    "(PostgreSQL: ~/.pgpass or PGPASSWORD)"
)
"""What to do instead."""


def has_credentials(uri: str) -> bool:
    """Tells whether a URI carries a password or token, before the ``@`` or in the query.

    Values that hold keys of their own (``odbc_connect=…;PWD=…``) count too.
    """
    parts = urlsplit(uri)
    if parts.scheme in TOKEN_SCHEMES and parts.netloc.rpartition("@")[0]:
        return True
    if parts.scheme not in TOKEN_SCHEMES and BEFORE_HOST.match(uri.partition("://")[2]):
        return True
    values = parts.query.replace("odbc_connect=", "")
    return bool(IN_QUERY.search(unquote_plus(values)))


def without_credentials(text: str) -> str:
    """Returns a message without what may be secret in it, for logs and records.

    Of URIs, what stands before the ``@`` and the query; elsewhere, values of a password.
    """
    text = re.sub(r"(?<=://)[^@\s]*@", "", text)
    text = re.sub(r"(://[^\s?'\"]*\?)[^\s'\"]+", r"\1…", text)
    return re.sub(rf"(?i)({SECRET_KEY}\s*=\s*)[^\s&;,'\")]+", r"\1…", text)
