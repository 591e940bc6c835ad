"""A report says first what is really dead, says it as long as it is true in the same words, and lets nobody's words do anything."""

from __future__ import annotations

import io
import json
import re
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console

from tools.links.markdown import LONGEST, NOTHING, markdown
from tools.links.model import Finding, Observation, Place, Target
from tools.links.report import Notice, Report, clean, from_json, to_json
from tools.links.reports import REPORTS, github, text
from tools.links.verdicts import judge

DAY = date(2026, 11, 20)
X = Place("catalog/papers/x.yaml", 12, 8, "links[0].url", "papers/x")
Y = Place("catalog/papers/y.yaml", 3, 9, "links[1].url", "papers/y")


def finding(verdict="dead", url="https://a.example/x", reason="answers with status 404", places=(X,), **more):
    return Finding(target=Target(url, places), verdict=verdict, reason=reason, **more)


EACH = tuple(finding(verdict, f"https://{verdict}.example/") for verdict in ("ok", "blocked", "unknown", "moved", "broken", "wrong", "dead"))


# ------------------------------------------------------------------------------------------------------------- a person


def test_a_line_says_where_what_and_what_to_put_there():
    assert text(Report(findings=(finding(suggestion="https://b.example/x"),))).splitlines()[0] == (
        "catalog/papers/x.yaml:12:8: dead: https://a.example/x: answers with status 404 → https://b.example/x"
    )


def test_the_worst_comes_first_and_what_is_well_is_only_counted():
    *lines, last = text(Report(findings=EACH)).splitlines()
    assert [line.split(": ")[1] for line in lines] == ["dead", "wrong", "broken", "moved", "unknown", "blocked"]
    assert last == "7 addresses: 1 dead, 1 wrong, 1 broken, 1 moved, 1 unknown, 1 blocked, 1 ok."


def test_of_one_verdict_the_files_order_counts_and_further_places_are_counted():
    one, two = finding(url="https://b.example", places=(X,)), finding(url="https://a.example", places=(Y, Place("z", 1, 1, "", ""), Y))
    lines = text(Report(findings=(two, one))).splitlines()
    assert lines[0].startswith("catalog/papers/x.yaml:12:8: dead: https://b.example")
    assert lines[1].startswith("catalog/papers/y.yaml:3:9 and 2 more places: dead: https://a.example")


@pytest.mark.parametrize(
    ("findings", "last"),
    [
        ((), "No address was looked at."),
        ((finding("ok"),), "1 address: 1 ok."),
        ((finding("ok"),) * 1200, "1,200 addresses: 1,200 ok."),
        ((finding("moved", fixable=True), finding("moved")), "2 addresses: 2 moved. --fix puts the new address in the place of 1 of them."),
        ((finding("dead", excepted="x"), finding("ok", excepted="x")), "1 address: 1 ok; 1 more left alone, as catalog.yaml says."),
    ],
)
def test_the_last_line_says_what_all_of_it_comes_to(findings, last):
    assert text(Report(findings=findings)).splitlines()[-1] == last


@pytest.mark.parametrize(("findings", "found"), [((), "nothing amiss"), ((finding("broken"), finding("broken")), "2 broken")])
def test_where_nobody_was_asked_no_link_is_called_well(findings, found):
    report = Report(findings=findings, formal=1200)
    done = "Only the form of 1,200 addresses was checked, and nobody was asked"
    assert text(report).splitlines()[-1] == github(report).splitlines()[-1] == f"{done}; found: {found}."
    assert markdown(report).startswith(f"{done}. **2 broken**." if findings else f"{done}.\n")
    assert NOTHING not in markdown(report)


def test_what_is_left_alone_is_told_by_its_reason_and_not_one_by_one():
    shy = [finding("blocked", f"https://a.example/{n}", excepted="It refuses programs. (until 2027-05-01)") for n in range(30)]
    lines = text(Report(findings=(*shy, finding("unknown", excepted="It refuses programs. (until 2027-05-01)")))).splitlines()
    assert lines[:-1] == ["left alone: 1 unknown, 30 blocked: It refuses programs. (until 2027-05-01)"]


def test_papers_that_have_changed_and_exceptions_past_their_date_are_told():
    report = Report(findings=(finding("ok"),), notices=(Notice(X, "arXiv says that it was withdrawn"),), warnings=("catalog.yaml: link_exceptions[0] held until 2020",))
    assert text(report).splitlines()[:2] == ["catalog/papers/x.yaml:12:8: arXiv says that it was withdrawn", "warning: catalog.yaml: link_exceptions[0] held until 2020"]


def terminal(width, **more):
    return Console(file=io.StringIO(), force_terminal=True, width=width, **more)


@pytest.mark.parametrize("width", [40, 80, 100, 200])
def test_a_table_is_as_wide_as_the_terminal_and_loses_nothing(width):
    url = "https://a.example/" + "x" * 150
    shown = text(Report(findings=(finding(url=url, suggestion="https://b.example/new"),)), terminal(width, no_color=True))
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert max(map(len, plain.splitlines()[:-1])) <= width
    assert plain.count("x") >= 150
    for word in ("dead", "404", "https://"):
        assert word in plain


@pytest.mark.parametrize(("setting", "coloured"), [(None, True), ("", True), ("1", False)])
def test_there_are_colours_on_a_terminal_alone_and_not_where_nobody_wants_them(monkeypatch, setting, coloured):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if setting is not None:
        monkeypatch.setenv("NO_COLOR", setting)
    report = Report(findings=EACH)
    assert ("\x1b[1;31m" in text(report, terminal(100))) is coloured
    assert "\x1b[" not in text(report, Console(file=io.StringIO())) + text(report)


HOSTILE = "\x1b[2J\u202eevil\x07 [bold]x[/bold] [/] :warning: \r\n::error::no"


@pytest.mark.parametrize("form", REPORTS)
def test_no_words_move_a_terminals_cursor_or_begin_a_line(form):
    report = Report(findings=(finding(url=f"https://a.example/{HOSTILE}", reason=HOSTILE, suggestion=HOSTILE),), notices=(Notice(X, HOSTILE),), warnings=(HOSTILE,))
    shown = REPORTS[form](report)
    assert not set(shown) & set("\x1b\u202e\x07\r") or form == "json"
    assert [line for line in shown.splitlines() if line.startswith("::error::")] == []


def test_brackets_mean_nothing_on_a_terminal():
    shown = text(Report(findings=(finding(reason="[bold]x[/bold] [/] :smile:"),)), terminal(200, no_color=True))
    assert "[bold]x[/bold] [/] :smile:" in shown


# ------------------------------------------------------------------------------------------------------------- programs


def test_json_holds_all_of_it_sorted_by_address_and_comes_back():
    report = Report(
        findings=(finding(url="https://b.example", observation=Observation(url="https://b.example", status=404, reason="x")), finding("ok", excepted="y", fixable=True, suggestion="https://c.example")),
        notices=(Notice(X, "z"),),
        warnings=("w",),
        added=True,
        formal=3,
    )
    data = json.loads(to_json(report))
    assert [one["target"]["url"] for one in data["findings"]] == ["https://a.example/x", "https://b.example"]
    assert data["findings"][1]["target"]["places"][0] == {"path": "catalog/papers/x.yaml", "line": 12, "column": 8, "field": "links[0].url", "entry": "papers/x"}
    back = from_json(to_json(report))
    assert sorted(back.findings, key=str) == sorted(report.findings, key=str)
    assert (back.notices, back.warnings, back.added, back.formal) == (report.notices, report.warnings, True, 3)
    assert back.findings[1].observation.status == 404


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("", "Invalid JSON"),
        ("[]", "Input should be"),
        ("{}", "findings: Field required"),
        ('{"findings": [{}]}', r"findings\.0\.target: Field required"),
        (to_json(Report(findings=(finding(),))).replace('"dead"', '"deadly"'), r"findings\.0\.verdict: Input should be 'ok', "),
        (to_json(Report(findings=(finding(),))).replace("12", '"twelve"'), "line: Input should be a valid integer"),
    ],
)
def test_what_is_no_report_is_told(data, said):
    with pytest.raises(ValueError, match=said):
        from_json(data)


def test_an_annotation_stands_at_each_link_an_error_where_it_is_bad():
    *lines, last = github(Report(findings=EACH, notices=(Notice(Y, "withdrawn"),), warnings=("held until 2020",))).splitlines()
    assert [line.split()[0] for line in lines] == ["::error"] * 3 + ["::warning"] * 3 + ["::notice", "::warning"]
    assert lines[0] == "::error file=catalog/papers/x.yaml,line=12,col=8,title=dead link::https://dead.example/: answers with status 404"
    assert lines[-2] == "::notice file=catalog/papers/y.yaml,line=3,col=9,title=changed paper::withdrawn"
    assert lines[-1] == "::warning file=catalog.yaml,title=link_exceptions::held until 2020"
    assert last.startswith("7 addresses: ")


def test_what_a_branch_adds_is_no_error_where_it_is_dead_since_the_command_doesnt_fail():
    lines = github(Report(findings=EACH, added=True)).splitlines()[:3]
    assert [line.split("=")[-1].split(":")[0] + line.split()[0] for line in lines] == ["dead link::warning", "wrong link::error", "broken link::error"]


def test_an_annotation_is_one_whatever_stands_in_it():
    (line, _) = github(Report(findings=(finding(reason="100%\n::error::no", places=(Place("a,b:c", 1, 2, "", ""),)),))).splitlines()
    assert line == "::error file=a%2Cb%3Ac,line=1,col=2,title=dead link::https://a.example/x: 100%25 ::error::no"


# ------------------------------------------------------------------------------------------------------------ the issue


def blocks(body):
    """The types of the body's blocks, with the text of those that aren't code."""
    return [(token.type, token.content if token.type != "fence" else "") for token in MarkdownIt("commonmark").parse(body) if token.content]


def test_the_issue_says_first_what_is_dead_and_folds_what_nobody_can_mend():
    body = markdown(Report(findings=EACH, notices=(Notice(X, "withdrawn"),), warnings=("held",)))
    assert body.startswith("**1 dead, 1 wrong, 1 broken**.")
    headings = re.findall(r"^(?:### |<details><summary>)(.*?)(?:</summary>)?$", body, re.MULTILINE)
    assert headings == [
        "Dead (1)",
        "Wrong: another paper is there (1)",
        "Broken: can't work as it is written (1)",
        "Moved: for good, to https, or to a front page (1)",
        "Papers that have changed",
        "Exceptions to be looked at",
        "1 link of which nothing can be said yet",
        "1 link of hosts that turn programs away: look with a browser",
    ]
    assert body.count("<details>") == body.count("</details>") == 2


def test_the_issue_says_what_to_put_in_a_dead_ones_place():
    body = markdown(Report(findings=(finding(suggestion="https://web.archive.org/x"),)))
    assert "```text\ncatalog/papers/x.yaml:12:8\nhttps://a.example/x\nanswers with status 404\n→ https://web.archive.org/x\n```" in body


@pytest.mark.parametrize(("fixable", "said"), [(0, None), (1, "of 1 of these;"), (2, "of these;")])
def test_the_issue_names_the_command_that_mends_what_can_be_mended(fixable, said):
    moved = tuple(finding("moved", f"https://a.example/{n}", fixable=n < fixable) for n in range(2))
    body = markdown(Report(findings=moved))
    assert ("`make links ARGS=--fix`" in body) is (said is not None)
    assert said is None or said in body


def test_where_all_is_well_the_issue_says_so():
    assert markdown(Report(findings=(finding("ok"), finding("blocked")))).startswith(f"{NOTHING}\n")


def test_what_is_left_alone_is_folded_with_its_reasons():
    body = markdown(Report(findings=(finding(excepted="Its host moves. (until 2027-01-01)"),)))
    assert "<details><summary>1 link left alone</summary>\n\n```text\n1 dead: Its host moves. (until 2027-01-01)\n```\n\nWhat is to be left alone" in body
    assert "### Dead" not in body


@pytest.mark.parametrize(
    "look",
    [{"status": 404}, {"failure": "certificate"}, {"fragment": False, "status": 200}, {"soft_404": True, "status": 200}, {"failure": "timed out"}, {"status": 403}],
    ids=str,
)
def test_as_long_as_nothing_changes_the_issue_doesnt(look):
    target, row, bodies = Target("https://a.example/#x", (X,)), None, []
    for week in range(8):
        seen = Observation(url=target.url, reason="so it is", **look)
        found, row = judge(target, seen, row, DAY + timedelta(7 * week))
        bodies.append(markdown(Report(findings=(found,))))
    assert len(set(bodies[3:])) == 1


STRANGE = [
    "@everyone closes #1, see https://example.org/owner/name/issues/7",
    "```\n\n@everyone\n\n```",
    "````` ~~~ </details></summary><img src=x onerror=alert(1)> <!-- ",
    "`" * 3000,
    "```",
    "`````",
    "</details>\n\n# heading\n- [ ] box\n| a | b |\n---\n[a](javascript:x) ![b](x)",
    "\u2028```\u2028@everyone\x0b```\x0c```\x85```",
    "&lt;script&gt; \\` \\",
]


@pytest.mark.parametrize("strange", STRANGE)
def test_nobodys_words_do_anything_in_the_issue(strange):
    def report(words):
        of_each = [finding(one.verdict, f"https://a.example/{words}", words, (Place(f"p{words}", 1, 1, "", ""),), suggestion=words) for one in EACH]
        return Report(
            findings=(*of_each, finding("blocked", excepted=words)),
            notices=(Notice(Place(words, 1, 1, "", ""), words),),
            warnings=(words,),
        )

    assert blocks(markdown(report(strange))) == blocks(markdown(report("plain")))


@given(st.lists(st.text(st.sampled_from("`\n\r\t ~<>é漢x"), max_size=4_000), min_size=1, max_size=40), st.integers(1, 60))
def test_the_issue_is_never_longer_than_github_takes(words, times):
    findings = tuple(finding(one.verdict, f"https://a.example/{n}", word, suggestion=word) for one in EACH for n, word in enumerate(words * times))
    body = markdown(Report(findings=findings, notices=(Notice(X, words[0]),) * 9, warnings=tuple(words)))
    assert len(body.encode()) <= LONGEST
    assert body.count("\n<details>") == body.count("\n</details>")


def test_long_fences_are_counted_too():
    body = markdown(Report(findings=tuple(finding(one.verdict, f"https://a.example/{n}", "`" * 990) for one in EACH for n in range(500))))
    assert len(body.encode()) <= LONGEST


def test_of_too_many_the_issue_says_how_many_more_there_are():
    body = markdown(Report(findings=tuple(finding(one.verdict, f"https://{one.verdict}.example/{n}") for one in EACH for n in range(5_000))))
    assert 60_000 < len(body.encode()) <= LONGEST
    shown = len(re.findall("https://dead", body))
    assert f"and {5_000 - shown:,} more\n```" in body
    assert len(re.findall(r"^and [45],\d{3} more$", body, re.MULTILINE)) == 6
    assert "### Moved: for good, to https, or to a front page (5,000)" in body
    assert "5,000 links of hosts that turn programs away" in body


@pytest.mark.parametrize(("given", "shown"), [("a\nb", "a b"), ("é漢 ok", "é漢 ok"), ("\x1b\u202e\u200b", "   ")])
def test_clean_text_is_one_line_of_what_can_be_seen(given, shown):
    assert clean(given) == shown
