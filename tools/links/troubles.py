"""Why there is no answer: from an error of the connection to a sentence for people."""

from __future__ import annotations

import errno
import socket
import ssl
import zlib
from collections.abc import Iterator

import anyio
import h2.exceptions
import httpcore2

from tools.links.model import Failure


class Trouble(Exception):
    """Why there is no answer."""

    def __init__(
        self, failure: Failure | None, reason: str, *, passing: bool = False, status: int | None = None, asked: bool = True
    ) -> None:
        super().__init__(reason)
        self.failure, self.reason = failure, reason
        self.passing = passing
        """Whether the same request may go well a moment later."""
        self.status = status
        """What the host answered to others, where it isn't asked any more."""
        self.asked = asked


ERRORS = (
    httpcore2.NetworkError,
    httpcore2.TimeoutException,
    httpcore2.ProtocolError,
    httpcore2.UnsupportedProtocol,
    h2.exceptions.H2Error,
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
    OSError,
    zlib.error,
    ValueError,  # of httpcore2, where an HTTP/2 server's status is no number
)
"""What a request can end in, whatever the server does."""


def explain(error: BaseException) -> Trouble:
    """What an error of the connection means."""
    for cause in _causes(error):
        for kind, failure, reason, passing in REASONS:
            if isinstance(cause, kind):
                return Trouble(failure, reason, passing=passing)
        if isinstance(cause, socket.gaierror):
            return _no_address(cause)
        if isinstance(cause, OSError) and cause.errno in UNREACHABLE:
            return Trouble("timed out", "there is no way to its host just now", passing=True)
        if isinstance(cause, ssl.SSLError):
            return _not_secure(cause)
        if isinstance(cause, httpcore2.ProtocolError | h2.exceptions.H2Error | ValueError):
            return _bad_answer(cause)
    return Trouble("reset", "the connection breaks off before there is an answer", passing=True)


REASONS: tuple[tuple[type[BaseException], Failure, str, bool], ...] = (
    (ConnectionRefusedError, "refused", "nobody listens there: the connection is refused", False),
    (ConnectionResetError, "reset", "the connection is broken off before there is an answer", True),
    (httpcore2.ConnectTimeout, "timed out", "no connection comes about in time", True),
    (httpcore2.TimeoutException, "timed out", "nothing is answered in time", True),
    (ssl.SSLEOFError, "reset", "the connection breaks off before it is secure", True),
)
"""By the error, or what it was caused by: the innermost that fits."""


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The innermost first, since it knows most."""
    found: list[BaseException] = []
    while error is not None and error not in found:
        found += error.exceptions if isinstance(error, BaseExceptionGroup) else ()
        found.append(error)
        error = error.__cause__ or error.__context__  # httpcore2 raises its errors "from None", though they have a cause
    yield from reversed(found)


UNREACHABLE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ETIMEDOUT}
MISSING_NAME = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}


def _no_address(error: socket.gaierror) -> Trouble:
    if error.errno in MISSING_NAME:
        return Trouble("no such name", "its host's name doesn't resolve to any address")
    return Trouble("timed out", "its host's name can't be looked up just now")  # the system has tried again already


CERTIFICATE = {
    9: "its certificate isn't valid yet",
    10: "its certificate has expired",
    18: "its certificate is signed by nobody but itself",
    19: "its certificate is signed by nobody but itself",
    20: "its certificate comes from an authority that isn't trusted, or a certificate between the two isn't sent",
    21: "its certificate comes from an authority that isn't trusted, or a certificate between the two isn't sent",
    23: "its certificate was revoked",
    62: "its certificate is for another host",
    64: "its certificate is for another address",
}
"""By OpenSSL's number of what is wrong: https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/"""
NO_TLS = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"}
TOO_OLD = {"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "UNSAFE_LEGACY_RENEGOTIATION_DISABLED", "DH_KEY_TOO_SMALL"}


def _not_secure(error: ssl.SSLError) -> Trouble:
    if isinstance(error, ssl.SSLCertVerificationError):
        said = CERTIFICATE.get(error.verify_code, f"its certificate isn't valid: {error.verify_message}")
        return Trouble("certificate", said)
    name = error.reason or "UNKNOWN"
    if name in NO_TLS:
        return Trouble("bad answer", "it doesn't speak https at this port")
    if name in TOO_OLD:
        return Trouble("certificate", "it only offers encryption that is too old to be safe")
    return Trouble("certificate", f"no secure connection comes about ({name.lower().replace('_', ' ')})")


def _bad_answer(error: BaseException) -> Trouble:
    said = str(error)
    if "disconnected" in said or "without sending" in said:
        return Trouble("reset", "the connection is closed without an answer", passing=True)
    if "buffer too long" in said:
        return Trouble("bad answer", "its headers are longer than is read")
    return Trouble("bad answer", "what it answers isn't HTTP")
