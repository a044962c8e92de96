"""How the results of OGC's suites are read and judged."""

from pathlib import Path

import pytest

from tests.conformance.suites import FEATURES, NotToBeHad, Outcome, judge, obtain, outcomes

RESULTS = """<?xml version="1.0" encoding="UTF-8"?>
<testng-results skipped="2" failed="1" passed="1">
 <suite name="ogcapi-features-1.0"><test name="Core">
  <class name="org.opengis.cite.x.LandingPage">
   <test-method is-config="true" status="PASS" name="setUp" signature="setUp()"/>
   <test-method status="PASS" name="landingPageRetrieval"
     signature="landingPageRetrieval()[pri:0, instance:org.opengis.cite.x.LandingPage@1f]"/>
   <test-method status="FAIL" name="validate"
     signature="validate(java.util.Map)[pri:0, instance:org.opengis.cite.x.Items@2a]">
    <params><param index="0"><value><![CDATA[{id=road}]]></value></param></params>
    <exception class="java.lang.AssertionError"><message><![CDATA[
      expected 200  but was 500 ]]></message></exception>
   </test-method>
   <test-method status="SKIP" name="transform" signature="transform()[instance:a.Crs@1]">
    <exception class="x">
     <message><![CDATA[Could not parse srid from crs 'x']]></message>
    </exception>
   </test-method>
   <test-method status="SKIP" name="count" signature="count()[instance:a.Items@1]">
    <exception class="x"><message><![CDATA[no features there]]></message></exception>
   </test-method>
  </class></test></suite>
</testng-results>
"""


@pytest.fixture
def found(tmp_path: Path) -> list[Outcome]:
    path = tmp_path / "testng-results.xml"
    path.write_text(RESULTS)
    return outcomes(path)


def test_results_are_read(found: list[Outcome]) -> None:
    assert [(entry.name, entry.status) for entry in found] == [
        ("LandingPage.landingPageRetrieval()", "PASS"),
        ("Items.validate({id=road})", "FAIL"),
        ("Crs.transform()", "SKIP"),
        ("Items.count()", "SKIP"),
    ]
    assert found[1].message == "expected 200 but was 500"


def test_a_skip_needs_a_reason(found: list[Outcome]) -> None:
    verdict = judge(found)
    assert (verdict.passed, len(verdict.failed), len(verdict.skipped)) == (1, 1, 2)
    assert [bool(why) for _, why in verdict.skipped] == [True, False]
    assert not verdict.is_good
    assert judge(found[:1]).is_good
    assert judge([found[0], found[2]]).is_good
    assert not judge([found[0], found[3]]).is_good
    assert not judge([]).is_good
    assert "1 skipped: NO REASON KNOWN" in verdict.summary()


def test_jars_that_are_there_are_taken(tmp_path: Path) -> None:
    with pytest.raises(NotToBeHad, match="holds no"):
        obtain(FEATURES, tmp_path / "kept", tmp_path)
    (tmp_path / "ets-ogcapi-features10-1.9-aio.jar").touch()
    obtained = obtain(FEATURES, tmp_path / "kept", tmp_path)
    assert obtained.version == "1.9"
    assert obtained.classpath.endswith("ets-ogcapi-features10-1.9-aio.jar")
