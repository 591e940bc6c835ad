"""The verdict on everything that a server may do: at the first look, and once it was found so three times in more than a week."""

from __future__ import annotations

import datetime

from tools.links.model import Observation, Target
from tools.links.verdicts import judge

DAYS = [datetime.date(2026, 11, day) for day in (2, 6, 10)]

TABLE: dict[tuple[str, str], str] = {
    ("ok", "ok"): """
        /status/200 /status/204 /page /paper /in%20part%2F%e4%b8%ad /paper.pdf /no-type /empty-range /commented /latin /gbk
        /odd-charset /packed /bomb /not-packed /brotli /odd-kind /hard /room-404 /405.pdf /501.pdf /403.pdf /404.pdf /500.pdf
        /dropped.pdf /hangs.pdf /html.pdf /lies.zip /talks.zip /302 /303 /307 /mixed /to-sound /cookie /with-their-script
        /slow-body /dripping-body /endless-body /too-short /too-long /bad-chunks /reset-in-body /once-500 /once-reset
        /once-429 /once-503
    """,
    ("unknown", "unknown"): """
        /status/300 /status/304 /status/400 /status/500 /status/501 /status/503 /status/599 /nowhere /slow-headers
        /dripping-headers /silent /endless-headers /bad-length /reset-at-once /reset-in-headers /nothing /not-http /banner
        /status-600
    """,
    ("blocked", "blocked"): """
        /status/401 /status/402 /status/403 /status/418 /status/429 /status/451 /status/999 /cloudflare /cloudflare-503
        /cloudflare-200 /akamai /datadome /amazon /perimeterx /imperva /429-for-long
    """,
    ("unknown", "dead"): """
        /status/404 /status/410 /soft /soft-too /soft-cn /old/project /old /both.pdf /308 /blank /tracked /to-nobody
    """,
    ("moved", "moved"): """
        /en/ /de /pt-br /main.html /en/index.html /index.html /301 /to-https /?from=list
    """,
    ("broken", "broken"): """
        /loop /loop-of-two /chain/0
    """,
    ("unknown", "broken"): """
        /to-file /to-script /to-loopback /to-metadata /to-six /to-mail /to-nonsense /to-secret
    """,
}
RIGHT = {target: verdict for verdict, targets in TABLE.items() for target in targets.split()}


def verdicts(seen: Observation) -> tuple[str, str]:
    """What is made of a look, and of three that find the same."""
    row, found = None, []
    for day in DAYS:
        finding, row = judge(Target(seen.url, ()), seen, row, day)
        found.append(finding.verdict)
    return found[0], found[-1]
