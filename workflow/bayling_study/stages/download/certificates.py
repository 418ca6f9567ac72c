"""Servers whose certificate nothing on this machine vouches for.

Networks that inspect traffic present certificates of their own, which only
the site's own list knows. Trying again does not help; naming that list does.
"""

import os

from bayling_study.core.errors import StudyError

VARIABLE = "REQUESTS_CA_BUNDLE"
ADVICE = (
    f"set {VARIABLE}=/path/to/ca-certificates.crt, a file with your site's own certificates\n"
    "(your administrator knows it), and start again"
)


def is_untrusted(error: BaseException) -> bool:
    """Tells whether a request failed because the server's certificate is not trusted."""
    return "CERTIFICATE_VERIFY_FAILED" in str(error)


def untrusted(where: str, error: BaseException) -> StudyError:
    """Returns the error that says how to make the certificate trusted."""
    reason = str(error).partition("certificate verify failed: ")[2].partition(" (_ssl")[0]
    return StudyError(
        f"the server's certificate is not trusted here ({reason or error})", where=where, fix=ADVICE
    )


def is_absent_bundle(error: BaseException) -> bool:
    """Tells whether requests does not find the file that ``REQUESTS_CA_BUNDLE`` names."""
    return "TLS CA certificate bundle" in str(error)


def share_bundle() -> None:
    """Lets huggingface_hub trust what requests trusts; its client reads ``SSL_CERT_FILE``."""
    bundle = os.environ.get(VARIABLE, "")
    if os.path.isfile(bundle):
        os.environ.setdefault("SSL_CERT_FILE", bundle)
