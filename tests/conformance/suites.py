"""OGC's executable test suites: fetched with Maven, run with Java, their results judged."""

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import escape

#: Longest a download or a run may take, seconds.
_PATIENCE_S = 1200


@dataclass(frozen=True)
class Suite:
    """One of OGC's suites: its name on Maven Central, and the versions to try, newest first."""

    name: str
    title: str
    versions: tuple[str, ...]
    main: str


FEATURES = Suite(
    "ets-ogcapi-features10",
    "OGC API Features 1.0",
    ("1.9", "1.8", "1.7.1"),
    "org.opengis.cite.ogcapifeatures10.TestNGController",
)
TILES = Suite(
    "ets-ogcapi-tiles10",
    "OGC API Tiles 1.0",
    ("1.1", "1.0"),
    "org.opengis.cite.ogcapitiles10.TestNGController",
)
SUITES = (FEATURES, TILES)
#: Reasons for which a test may be skipped: expression found in its message → why that is right.
ALLOWED_SKIPS: Mapping[str, str] = {
    "Could not parse srid|is not supported, only OGC URNs|unknown CRS": (
        "the suite's own library does not know this reference system"
    ),
    "too large to check": "the collection has more features than the suite counts",
}


class NotToBeHad(Exception):
    """A suite could not be fetched; the message says what was tried."""


@dataclass(frozen=True)
class Obtained:
    """A suite on this machine."""

    version: str
    classpath: str


@dataclass(frozen=True)
class Outcome:
    """One test method with one set of arguments."""

    name: str
    status: str
    message: str


@dataclass(frozen=True)
class Verdict:
    """What a run came to."""

    passed: int
    failed: list[Outcome] = field(default_factory=list)
    #: Skipped tests, and why each may be: empty where no reason is known.
    skipped: list[tuple[Outcome, str]] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether something passed, nothing failed, and nothing was skipped without a reason."""
        return self.passed > 0 and not self.failed and all(why for _, why in self.skipped)

    def summary(self) -> str:
        """Return one line."""
        reasons = Counter(why or "NO REASON KNOWN" for _, why in self.skipped)
        told = "".join(f"; {number} skipped: {why}" for why, number in reasons.items())
        return f"{self.passed} passed, {len(self.failed)} failed, {len(self.skipped)} skipped{told}"


def obtain(suite: Suite, folder: Path, jars: Path | None = None) -> Obtained:
    """Return a suite's class path: from a folder of jars, kept from before, or from Maven Central.

    Of each version the jar with everything in it (classifier ``aio``) is tried first, then the
    plain one with what its POM asks for.

    Raises:
        NotToBeHad: If no version can be had.
    """
    for place in filter(None, (jars, folder)):
        kept = sorted(place.glob(f"{suite.name}-*-aio.jar"), reverse=True)
        if kept:
            version = kept[0].name.removeprefix(f"{suite.name}-").removesuffix("-aio.jar")
            return Obtained(version, str(kept[0]))
    if jars is not None:
        raise NotToBeHad(f"{suite.name}: {jars} holds no {suite.name}-*-aio.jar")
    if shutil.which("mvn") is None:
        raise NotToBeHad(f"{suite.name}: there is no mvn; install Maven, or give --jars")
    folder.mkdir(parents=True, exist_ok=True)
    tried = []
    for version in suite.versions:
        artifact = f"org.opengis.cite:{suite.name}:{version}"
        fault = _maven(
            "dependency:copy", f"-Dartifact={artifact}:jar:aio", f"-DoutputDirectory={folder}"
        )
        if not fault:
            return Obtained(version, str(folder / f"{suite.name}-{version}-aio.jar"))
        tried.append(f"{artifact}:jar:aio – {fault}")
        libraries = folder / f"{suite.name}-{version}"
        pom = _pom(folder / f"{suite.name}-{version}.pom.xml", suite.name, version)
        fault = _maven(
            "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={libraries}"
        )
        if not fault:
            return Obtained(version, f"{libraries}/*")
        tried.append(f"{artifact}:jar – {fault}")
    raise NotToBeHad(f"{suite.name}: Maven Central gave none of\n  " + "\n  ".join(tried))


def _maven(*arguments: str) -> str:
    """Run Maven; return nothing, or what it complained of, in a line without addresses."""
    done = subprocess.run(
        ["mvn", "-B", "-q", *arguments],
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
    )
    if done.returncode == 0:
        return ""
    said = re.search(
        r"(Could not find artifact \S+|was not found|Could not transfer[^(]*)", done.stdout
    )
    return said[0].strip() if said else f"mvn ended with {done.returncode}"


def _pom(path: Path, name: str, version: str) -> Path:
    path.write_text(
        '<project xmlns="http://maven.apache.org/POM/4.0.0">'
        "<modelVersion>4.0.0</modelVersion><groupId>onemap</groupId>"
        "<artifactId>conformance</artifactId><version>1</version><dependencies><dependency>"
        f"<groupId>org.opengis.cite</groupId><artifactId>{name}</artifactId>"
        f"<version>{version}</version></dependency></dependencies></project>\n"
    )
    return path


def run(suite: Suite, obtained: Obtained, arguments: Mapping[str, str], folder: Path) -> Path:
    """Run a suite; return its results file (``testng-results.xml``).

    Raises:
        RuntimeError: If the suite ended without results; the message has its last words.
    """
    output = folder / f"{suite.name}-run"
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    properties = output / "test-run-props.xml"
    entries = "".join(
        f'<entry key="{escape(name)}">{escape(value)}</entry>' for name, value in arguments.items()
    )
    properties.write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<!DOCTYPE properties SYSTEM "http://java.sun.com/dtd/properties.dtd">\n'
        f'<properties version="1.0">{entries}</properties>\n'
    )
    done = subprocess.run(
        ["java", "-cp", obtained.classpath, suite.main, "-o", str(output), str(properties)],
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
    )
    (output / "output.log").write_text(done.stdout + done.stderr)
    found = sorted(output.rglob("testng-results.xml"))
    if not found:
        last = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
        raise RuntimeError(f"{suite.name} {obtained.version} left no results:\n{last}")
    return found[0]


def outcomes(results: Path) -> list[Outcome]:
    """Read a TestNG results file; set-up and tear-down methods count where they failed."""
    found = []
    for method in ElementTree.parse(results).iter("test-method"):  # noqa: S314 -- our own run's
        status = method.get("status", "")
        if method.get("is-config") == "true" and status == "PASS":
            continue
        owner = method.get("signature", "").partition("[")[2].partition("instance:")[2]
        owner = owner.partition("@")[0].rpartition(".")[2]
        arguments = [
            " ".join((value.text or "").split())[:60]
            for value in method.iterfind("params/param/value")
        ]
        name = f"{owner}.{method.get('name')}".lstrip(".")
        message = " ".join((method.findtext("exception/message") or "").split())
        found.append(Outcome(f"{name}({', '.join(arguments)})", status, message))
    return found


def judge(found: list[Outcome], allowed: Mapping[str, str] = ALLOWED_SKIPS) -> Verdict:
    """Return the verdict on a run's outcomes."""
    skipped = []
    for outcome in found:
        if outcome.status == "SKIP":
            reasons = (why for words, why in allowed.items() if re.search(words, outcome.message))
            skipped.append((outcome, next(reasons, "")))
    return Verdict(
        sum(outcome.status == "PASS" for outcome in found),
        [outcome for outcome in found if outcome.status == "FAIL"],
        skipped,
    )
