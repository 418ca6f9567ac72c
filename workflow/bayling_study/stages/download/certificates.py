"""Servers whose certificate nothing on this machine vouches for. Networks that inspect traffic
present certificates of their own, which only the site's own list knows. Trying again does not help;
naming that list does."""

import os

from bayling_study.core.errors import StudyError

VARIABLE = "REQUESTS_CA_BUNDLE"
ADVICE = (
    f"set {VARIABLE}=/path/to/ca-certificates.crt, a file with your site's own certificates\n"
    "(your administrator knows it), and start again"
)


def refuse_untrusted(where: str, error: BaseException) -> None:
    """Refuses (``StudyError``) to go on if the server's certificate is why a request failed."""
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        reason = str(error).partition("certificate verify failed: ")[2].partition(" (_ssl")[0]
        what = f"the server's certificate is not trusted here ({reason or error})"
        raise StudyError(what, where=where, fix=ADVICE) from error


def is_absent_bundle(error: BaseException) -> bool:
    """Tells whether requests does not find the file that ``REQUESTS_CA_BUNDLE`` names."""
    return "TLS CA certificate bundle" in str(error)


def share_bundle() -> None:
    """Lets huggingface_hub trust what requests trusts; its client reads ``SSL_CERT_FILE``."""
    bundle = os.environ.get(VARIABLE, "")
    if os.path.isfile(bundle):
        os.environ.setdefault("SSL_CERT_FILE", bundle)
