import pytest

from consumer.verdicts import TABLE, Verdict, verdict


@pytest.mark.parametrize("code", [252, 319, 164, 241, 209, 210, 279, 999, 242, 243, 159, 394])
def test_trouble_of_the_infrastructure_is_tried_again(code: int) -> None:
    assert verdict(code, "")[0] is Verdict.RETRY


@pytest.mark.parametrize("code", [395, 27, 6, 117, 748, 33, 321, 376])
def test_bytes_that_are_refused_are_looked_for(code: int) -> None:
    assert verdict(code, "")[0] is Verdict.RECORDS


@pytest.mark.parametrize("code", [60, 81, 16])
def test_a_missing_table_is_made_again(code: int) -> None:
    assert verdict(code, "")[0] is Verdict.REPAIR


@pytest.mark.parametrize("code", [516, 194, 497])
def test_revoked_access_needs_a_person(code: int) -> None:
    assert verdict(code, "")[0] is Verdict.STOP


def test_the_catch_all_code_blames_a_record_only_when_the_reader_spoke() -> None:
    reader = "Code: 1001. DB::Exception: std::exception. type: avro::Exception, e.what() = EOF reached"
    union = "Code: 1001. DB::Exception: std::exception. type: std::out_of_range, e.what() = map::at"
    assert verdict(1001, reader)[0] is Verdict.RECORDS
    assert verdict(1001, union)[0] is Verdict.RECORDS
    assert verdict(1001, "Code: 1001. DB::Exception: std::bad_alloc")[0] is Verdict.RETRY


@pytest.mark.parametrize("code", [None, 0, 77777])
def test_what_is_not_listed_is_never_a_verdict_on_a_record(code: int | None) -> None:
    assert verdict(code, "avro::Exception")[0] is Verdict.RETRY


def test_every_code_says_in_words_what_it_is() -> None:
    assert all(reason for _, reason in TABLE.values())
