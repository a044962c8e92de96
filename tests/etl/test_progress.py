"""How long a load will take: figures only where they can be had."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from etl.jobs import read_request, retry_delay, write_request
from etl.load import LoadRequest
from etl.progress import pace
from etl.settings import EtlSettings


def test_while_rows_come_the_rest_of_them_and_the_writing_are_reckoned() -> None:
    found = pace("checking", 250, 1000, before_s=1.0, in_s=10.0)
    assert found.rows_per_second == 25.0
    # 750 rows are 30 s; writing all of them takes nine tenths of the 40 s that reading them takes.
    assert found.eta_s == 30.0 + 36.0


def test_while_versions_are_written_the_time_counts_down_and_then_no_figure_is_given() -> None:
    assert pace("applying", 1000, 1000, before_s=40.0, in_s=6.0).eta_s == 30.0
    assert pace("applying", 1000, 1000, before_s=40.0, in_s=36.0).eta_s is None


def test_where_nobody_can_know_no_figure_is_given() -> None:
    assert pace("checking", 100, None, before_s=0, in_s=10).eta_s is None
    assert pace("checking", 100, None, before_s=0, in_s=10).rows_per_second == 10
    for stage, rows, seconds in (("checking", 0, 10), ("checking", 5, 0.1), ("opening", 0, 9)):
        found = pace(stage, rows, 100, before_s=0, in_s=seconds)
        assert (found.rows_per_second, found.eta_s) == (None, None)


@given(
    rows=st.integers(0, 10**9),
    total=st.none() | st.integers(0, 10**9),
    before=st.floats(0, 1e6),
    within=st.floats(0, 1e6),
    stage=st.sampled_from(["opening", "checking", "applying", "done", None]),
)
def test_no_figure_is_negative(
    rows: int, total: int | None, before: float, within: float, stage: str | None
) -> None:
    found = pace(stage, rows, total, before, within)
    assert found.eta_s is None or found.eta_s >= 0
    assert found.rows_per_second is None or found.rows_per_second > 0


def test_pauses_double_up_to_a_quarter_of_an_hour() -> None:
    settings = EtlSettings.model_construct(retry_s=10.0)
    assert [retry_delay(n, settings) for n in range(5)] == [10, 10, 20, 40, 80]
    assert retry_delay(50, settings) == 900


def test_a_request_survives_being_written(tmp_path: Path) -> None:
    request = LoadRequest(
        tmp_path / "a b.gpkg", layer="poi", mapping=tmp_path / "m.yaml", max_bad=0.1, full=True
    )
    assert read_request(write_request(request)) == request
    server = LoadRequest("https://maps.example.cn/collections/roads", layer="road")
    assert read_request(write_request(server)) == server
