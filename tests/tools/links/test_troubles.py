"""What an error of the connection means."""

from __future__ import annotations

import socket
import ssl

import h2.exceptions
import httpcore2
import pytest

from tools.links.troubles import explain


def tls(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, reason)
    error.reason = reason
    return error


def wrapped(error: Exception) -> Exception:
    """An error as httpcore2 raises it: made from another, and yet "from None"."""
    outer = httpcore2.ConnectError()
    outer.__context__, outer.__suppress_context__ = error, True
    return outer


ERRORS: list[tuple[Exception, str, bool]] = [
    (tls("UNSUPPORTED_PROTOCOL"), "certificate", False),
    (tls("TLSV1_ALERT_PROTOCOL_VERSION"), "certificate", False),
    (tls("SSLV3_ALERT_HANDSHAKE_FAILURE"), "certificate", False),
    (tls("WRONG_VERSION_NUMBER"), "bad answer", False),
    (ssl.SSLEOFError(8, "EOF"), "reset", True),
    (ConnectionRefusedError(), "refused", False),
    (ConnectionResetError(), "reset", True),
    (OSError(101, "Network is unreachable"), "timed out", True),
    (OSError(113, "No route to host"), "timed out", True),
    (httpcore2.ConnectTimeout(), "timed out", True),
    (httpcore2.ReadTimeout(), "timed out", True),
    (httpcore2.ReadError(), "reset", True),
    (httpcore2.RemoteProtocolError("Server disconnected without sending a response."), "reset", True),
    (httpcore2.RemoteProtocolError("Receive buffer too long"), "bad answer", False),
    (httpcore2.RemoteProtocolError("illegal status line"), "bad answer", False),
    (h2.exceptions.ProtocolError("frames"), "bad answer", False),
    (ValueError("invalid literal for int()"), "bad answer", False),
    (socket.gaierror(socket.EAI_NONAME, "no name"), "no such name", False),
    (socket.gaierror(socket.EAI_AGAIN, "again"), "timed out", False),
]


@pytest.mark.parametrize(("error", "failure", "passing"), ERRORS, ids=lambda value: repr(value)[:60])
def test_an_error_has_one_meaning_however_it_is_wrapped(error, failure, passing):
    for raised in (error, wrapped(error)):
        trouble = explain(raised)
        assert (trouble.failure, trouble.passing) == (failure, passing)
