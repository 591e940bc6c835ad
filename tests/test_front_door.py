"""The front door: what README, Makefile and .ci/run promise is there, and nothing stands in the repository that mustn't."""

from __future__ import annotations

import ast
import importlib.metadata
import itertools
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tomllib
import urllib.request
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests import forked
from tools.manifest import LinkException

ROOT = Path(__file__).resolve().parents[1]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = dict(re.findall(r"^([a-z]+):[^#\n]*## (.+)$", MAKEFILE, re.MULTILINE))
GUIDES = ["README.md", "CONTRIBUTING.md"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

# Each pattern has a bracket, so that this file isn't its own first finding.
FORBIDDEN = {
    "a path of one machine": r"(?<![\w.-])/(?:[w]ork|[r]oot|[h]ome/\w+|[U]sers/\w+)/",
    "a package registry's host": r"[p]ypi\.(?:org|python)|[p]ythonhosted\.|registry\.[n]pmjs|[d]eb\.debian|archive\.[u]buntu",
    "notes on how this was made": r"\b[d]ossier|\b[s]ubagent|\.\./[s]hared\b|\b[h]elper session",
}


def run(*command: str, **environment: str) -> subprocess.CompletedProcess:
    """Runs a command at the root, without what a surrounding make would pass on to it."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "PYTEST"))}
    return subprocess.run(command, cwd=ROOT, env=variables | environment, capture_output=True, text=True, check=False)


def repository_files() -> dict[str, str]:
    """The text of every file that is or could be committed; a picture's is read as if it were text."""
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z").stdout
    paths = [path for path in listed.split("\0") if (ROOT / path).is_file()]
    assert "README.md" in paths
    return {path: (ROOT / path).read_text(encoding="utf-8", errors="replace") for path in paths}


def test_the_addresses_of_site_and_repository_stand_in_the_manifest_alone():
    manifest = yaml.safe_load((ROOT / "catalog.yaml").read_text(encoding="utf-8"))
    site, repository = (re.sub(r"^https?://|/$", "", manifest[field]) for field in ("site", "repository"))
    needles = [site.split("/", 1)[0], repository, repository.split("/", 1)[1]]
    found = {path for path, text in repository_files().items() for needle in needles if needle in text}
    assert found == {"catalog.yaml"}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_names(what):
    lines = (
        (path, number, line)
        for path, text in repository_files().items()
        for number, line in enumerate(text.splitlines(), 1)
        if re.search(FORBIDDEN[what], line)
    )
    assert list(lines) == []


def test_nothing_that_is_built_can_be_committed():
    ignored = ["build/site/index.html", ".venv/pyvenv.cfg", "tools/__pycache__/schema.cpython-311.pyc"]
    assert run("git", "check-ignore", *ignored).stdout.split() == ignored


# ------------------------------------------------------------------------------------------------------ commands


@pytest.mark.parametrize("goal", [[], ["help"]], ids=["make", "make help"])
def test_make_lists_every_target_with_what_it_does(goal):
    shown = run("make", "--no-print-directory", *goal)
    assert re.findall(r"^  make (\w+) +(.+)$", shown.stdout, re.MULTILINE) == list(TARGETS.items())


def test_every_phony_target_of_make_is_explained():
    phony = re.search(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)[1].split()
    assert sorted(phony) == sorted(TARGETS)


def test_make_says_which_python_it_needs_where_it_finds_none(tmp_path):
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    made = run("make", "--file", str(ROOT / "Makefile"), "--directory", str(tmp_path), "setup", "PYTHON=no-such-python")
    assert made.returncode != 0
    assert "Finch needs Python 3.11 or newer; there is no 'no-such-python' here." in made.stderr
    assert "sudo apt-get install python3 python3-venv" in made.stderr


@pytest.mark.parametrize(
    ("complaint", "answers"),
    [
        ("Finch needs Python 3.11 or newer; 'python3' is Python 3.9.1.", "[[ $* != *version_info* ]] && echo Python 3.9.1"),
        ("On Debian or Ubuntu: sudo apt-get install python3-venv", "[[ $* != *ensurepip* ]]"),
    ],
    ids=["too old", "without ensurepip"],
)
def test_make_says_what_a_python_lacks(tmp_path, complaint, answers):
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    (tmp_path / "python3").write_text(f"#!/usr/bin/env bash\n{answers}\n", encoding="utf-8")
    (tmp_path / "python3").chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    made = run("make", "--file", str(ROOT / "Makefile"), "--directory", str(tmp_path), "setup", PATH=path)
    assert made.returncode != 0
    assert complaint in made.stderr


@pytest.mark.parametrize(
    "paper",
    ["O'Brien.bib", "10.1/a$b", "10.1002/(sici)1097-0258(1998)17:1<1::aid-sim1>3.0.co;2-#", "https://a.example/x?y=1&z=2#top", 'my "own" paper.bib', "$(shell touch x)`touch x`\\"],
)
@pytest.mark.parametrize("way", ["argument", "environment"])
def test_make_add_hands_a_papers_name_on_as_it_was_typed(tmp_path, paper, way):
    (tmp_path / "Makefile").write_text(MAKEFILE, encoding="utf-8")
    (tmp_path / "python").write_text('#!/usr/bin/env bash\nprintf "%s\\n" "$@" > got\n', encoding="utf-8")
    (tmp_path / "python").chmod(0o755)
    command = ["make", "--directory", str(tmp_path), "--assume-old=.venv/add.stamp", "add", f"BIN={tmp_path}", "ARGS=--dry-run --json"]
    made = run(*command, f"PAPER={paper}") if way == "argument" else run(*command, PAPER=paper)
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "got").read_text(encoding="utf-8").splitlines() == ["tools/add_paper.py", paper, "--dry-run", "--json"]
    assert not (tmp_path / "x").exists()


def test_make_add_without_a_paper_says_what_it_needs(tmp_path):
    (tmp_path / "python").write_text('#!/usr/bin/env bash\necho "$@"\n', encoding="utf-8")
    (tmp_path / "python").chmod(0o755)
    made = run("make", "--assume-old=.venv/add.stamp", "add", f"BIN={tmp_path}", PAPER="")
    assert made.returncode == 2
    assert "needs an arXiv id, a DOI, a paper's address or a BibTeX file" in made.stderr
    assert "tools/add_paper.py --help" in made.stderr


@pytest.mark.parametrize("guide", GUIDES)
def test_every_command_of_a_guide_exists(guide):
    text = (ROOT / guide).read_text(encoding="utf-8")
    pieces = re.findall(r"^```\w*\n(.*?)^```|`([^`\n]+)`", text, re.MULTILINE | re.DOTALL)
    code = "\n".join(block or inline for block, inline in pieces)
    assert set(re.findall(r"\bmake ([a-z]+)", code)) <= set(TARGETS)
    modules = re.findall(r"python -m ([\w.]+)", code)
    files = {module: ROOT / module.replace(".", "/") for module in modules}
    assert [module for module, path in files.items() if not (path.with_suffix(".py").is_file() or (path / "__main__.py").is_file())] == []


@pytest.mark.parametrize("guide", GUIDES)
def test_every_local_link_and_picture_of_a_guide_leads_somewhere(guide):
    text = (ROOT / guide).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert links
    assert [link for link in links if not leads_somewhere(link, guide)] == []


def leads_somewhere(link: str, guide: str) -> bool:
    path, _, anchor = link.partition("#")
    target = ROOT / (path or guide)
    if not anchor:
        return target.exists()
    headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
    return anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_guides_exceptions_for_links_are_ones():
    found = re.findall(r"^ *link_exceptions:\n(?: +- .*\n)+", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.MULTILINE)
    exceptions = [LinkException.model_validate(one) for block in found for one in yaml.safe_load(block)["link_exceptions"]]
    assert [exception.host for exception in exceptions] == ["papers.example.org"]


def test_the_first_thing_the_readme_shows_is_the_two_commands():
    block = re.search(r"^```sh\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)[1]
    assert [line.split("#")[0].strip() for line in block.splitlines()] == ["make serve", "make test"]


def test_ci_holds_the_records_against_the_code_and_ends_with_the_readmes_test_command():
    script = ROOT / ".ci/run"
    assert os.access(script, os.X_OK)
    assert run("bash", "-n", str(script)).returncode == 0
    assert script.read_text(encoding="utf-8").splitlines()[-2:] == ["make results", "make test"]


@pytest.mark.parametrize(("failures", "installs", "code"), [(0, 1, 0), (1, 2, 0), (2, 2, 1)])
def test_ci_installs_a_browser_where_there_is_none_and_tries_twice(tmp_path, failures, installs, code):
    commands = tmp_path / "bin"
    commands.mkdir()
    for name in ("bash", "dirname", "env"):
        (commands / name).symlink_to(shutil.which(name))
    fake = '#!/usr/bin/env bash\necho "{name} $*" >> {log}\n{body}\n'
    bodies = dict.fromkeys(["git", "python3", "make", "sleep"], "") | {
        "id": "echo 0",
        "apt-get": f"[[ $* != *install* ]] || (($(grep -c 'apt-get install' {tmp_path}/log) > {failures}))",
    }
    for name, body in bodies.items():
        (commands / name).write_text(fake.format(name=name, body=body, log=tmp_path / "log"), encoding="utf-8")
        (commands / name).chmod(0o755)
    (commands / "grep").symlink_to(shutil.which("grep"))
    assert run("bash", ".ci/run", PATH=str(commands)).returncode == code
    calls = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
    assert len([call for call in calls if re.fullmatch("apt-get install .* chromium", call)]) == installs
    assert (calls[-1] == "make test") is (code == 0)


def test_the_readme_explains_every_level_of_trust_as_the_manifest_defines_it():
    levels = yaml.safe_load((ROOT / "catalog.yaml").read_text(encoding="utf-8"))["levels"]
    rows = dict(re.findall(r"^\| (\w[\w ]*) \| (.+) \|$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE))
    assert rows == {"level": "means"} | {term["name"]: term["definition"] for term in levels.values()}


def test_the_citation_file_fits_its_schema():
    checked = run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.citation-file-format", "CITATION.cff")
    assert checked.returncode == 0, checked.stdout + checked.stderr


# ------------------------------------------------------------------------------------------------------ serving


def make_serve(port: int) -> subprocess.Popen:
    """`make serve` with the environment that runs the tests."""
    command = ["make", "--assume-old=.venv/site.stamp", "serve", f"PORT={port}", f"BIN={Path(sys.executable).parent}"]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=ROOT, start_new_session=True, **streams)


def test_make_serve_says_where_the_site_stands_and_answers_there():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with make_serve(port) as server:
        try:
            said = list(itertools.takewhile(lambda line: "Serving on" not in line, server.stdout))
            assert server.poll() is None, "".join(said)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
                page = answer.read().decode()
        finally:
            os.killpg(server.pid, signal.SIGTERM)
    assert f"Finch will stand at http://127.0.0.1:{port}/ in a moment; Ctrl-C stops it.\n" in said
    assert "<title>Finch" in page


def test_make_serve_says_so_where_its_port_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with make_serve(port) as server:
            said = server.communicate(timeout=30)[0]
    assert server.returncode != 0
    assert f"Port {port} can't be had; another one: make serve PORT=9000" in said
    assert "Traceback" not in said


# ------------------------------------------------------------------------------------------------------ versions


def pins() -> dict[str, str]:
    extras = PROJECT["project"]["optional-dependencies"]
    constraints = PROJECT["tool"]["uv"]["constraint-dependencies"]
    lines = itertools.chain(PROJECT["project"]["dependencies"], *extras.values(), constraints)
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}


def needed(names: set[str]) -> set[str]:
    """These packages and all that they need on this machine, as installed."""
    found: set[str] = set()
    waiting = set(names)
    while waiting:
        found.add(name := waiting.pop())
        requirements = map(Requirement, importlib.metadata.requires(name) or [])
        wanted = {canonicalize_name(each.name) for each in requirements if not each.marker or each.marker.evaluate({"extra": ""})}
        waiting |= wanted - found
    return found


def test_every_package_that_the_site_and_the_tests_run_on_is_pinned_and_is_that_version():
    direct = [*PROJECT["project"]["dependencies"], *itertools.chain(*PROJECT["project"]["optional-dependencies"].values())]
    run_on = needed({canonicalize_name(line.split("==")[0]) for line in direct})
    installed = {name: importlib.metadata.version(name) for name in run_on}
    assert {name: pins().get(name) for name in installed} == installed


@pytest.mark.parametrize(("extra", "command", "one"), [("adding", "add_paper", "rapidfuzz"), ("links", "check_links", "httpcore2")])
def test_every_package_that_a_tool_imports_is_asked_for_by_name(extra, command, one):
    """One that comes along with another would be gone with it."""
    files = [ROOT / f"tools/{command}.py", *(ROOT / "tools" / extra).rglob("*.py")]
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in files]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    modules = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    modules |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported = {module.split(".")[0] for module in modules} - sys.stdlib_module_names - {"tools", "implementations"}
    distributions = importlib.metadata.packages_distributions()
    project = PROJECT["project"]
    named = {canonicalize_name(line.split("==")[0]) for line in [*project["dependencies"], *project["optional-dependencies"][extra]]}
    assert one in imported
    assert [module for module in sorted(imported) if not named & set(map(canonicalize_name, distributions[module]))] == []


def test_the_site_is_built_without_torch():
    site = {canonicalize_name(line.split("==")[0]) for line in PROJECT["project"]["dependencies"]}
    assert not needed(site) & {"torch", "torchvision", "timm", "pytest", "playwright"}


def test_every_version_of_every_extra_is_exact():
    extras = PROJECT["project"]["optional-dependencies"]
    lines = [*PROJECT["project"]["dependencies"], *(line for extra in extras.values() for line in extra)]
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []


# ------------------------------------------------------------------------------------------------------ without a browser


def browserless(tmp_path: Path, **variables: str) -> tuple[int, str]:
    """A test that needs a browser, where none is found: exit code, and all that was said."""
    test = tmp_path / "test_page.py"
    test.write_text("def test_page(browser):\n    assert browser\n", encoding="utf-8")
    return forked.pytest(ROOT, "-p", "tests.conftest", str(test), variables={"PATH": str(tmp_path)} | variables)


def test_without_a_browser_its_tests_are_skipped_loudly_and_none_counts_as_passed(tmp_path):
    code, said = browserless(tmp_path, CI="")
    assert code == 0
    assert "1 BROWSER TESTS WERE SKIPPED" in said
    assert "sudo apt-get install chromium" in said
    assert "1 skipped" in said
    assert "passed" not in said


def test_without_a_browser_ci_fails(tmp_path):
    code, said = browserless(tmp_path, CI="true")
    assert code == 1
    assert "no Chromium found" in said
