"""Whether an answer comes from a wall for programs: the page may well be there for people."""

from __future__ import annotations

import re

from tools.links.wire import Answer

REFUSALS = {401, 407, 429, 999}
"""A password is wanted; too many requests; LinkedIn's own."""
DOUBTFUL = {202, 403, 405, 418, 503}
"""What walls answer with, and others too."""
HEADERS = {
    "cf-mitigated": "challenge",  # https://developers.cloudflare.com/cloudflare-challenges/challenge-types/challenge-pages/detect-response/
    "x-amzn-waf-action": "",
    "x-datadome": "",
    "x-px-block": "",
    "x-sucuri-block": "",
}
"""Headers of walls, and what has to stand in them."""
CHALLENGE = re.compile(
    rb"<title>\s*(?:Just a moment\.\.\.|Attention Required! \| Cloudflare|Checking your browser"
    rb"|Pardon Our Interruption|Robot Check|Are you a robot\?|Client Challenge|Bot Verification|DDoS-Guard"
    rb"|Radware (?:Bot Manager )?Captcha)",
    re.IGNORECASE,
)
"""Titles that nothing but a challenge has, whatever its status."""
SIGNS = re.compile(
    rb"challenge-platform|cf[-_]chl|geo\.captcha-delivery\.com|px-captcha|_Incapsula_Resource|Incapsula incident ID|awswaf\.com"
    rb"|errors\.edgesuite\.net|Access Denied.{0,400}Reference(?:\s|&#32;)*(?:#|&#35;)|unusual traffic"
    rb"|are not a robot|enable JavaScript and cookies to continue",
    re.IGNORECASE | re.DOTALL,
)
"""Cloudflare, DataDome, PerimeterX, Imperva, Amazon, Akamai. Good pages hold their scripts too, so that the status has to fit."""
KNOWN = {
    "academic.oup.com",
    "dl.acm.org",
    "ieeexplore.ieee.org",
    "journals.sagepub.com",
    "onlinelibrary.wiley.com",
    "www.mdpi.com",
    "www.pnas.org",
    "www.researchgate.net",
    "www.sciencedirect.com",
    "www.semanticscholar.org",
    "www.tandfonline.com",
}
"""Hosts of papers that users of link checkers report to refuse programs. Keep it short: here a 403 says nothing."""


def is_wall(host: str, answer: Answer) -> bool:
    """Whether a wall answered."""
    if answer.status in REFUSALS or CHALLENGE.search(answer.body):
        return True
    if answer.status not in DOUBTFUL:
        return False
    named = any(name in answer.headers and value in answer.headers[name] for name, value in HEADERS.items())
    return named or host in KNOWN or SIGNS.search(answer.body) is not None
