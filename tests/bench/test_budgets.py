"""The budgets: judged within rounds, and never said to be met where nothing was measured."""

from __future__ import annotations

from tests.bench.budgets import Verdict, added, judge
from tests.bench.cases import LARGE, MAIN, ONE
from tests.bench.readers import Beside
from tests.bench.rounds import Results, Row, Sample, ratio

_MIB = 2**20


def row(*cpus: float | None, p50: float = 1.0) -> Row:
    """A row with these microseconds, one a round."""
    return Row([Sample(cpu, 100.0, p50, 2.0, _MIB) for cpu in cpus])


def test_a_ratio_compares_within_a_round() -> None:
    """Both were twice as slow in the second round, when the machine was busy."""
    assert 3.0 == ratio(row(60.0, 120.0, 63.0), row(20.0, 40.0, 21.0))


def test_nothing_compares_with_what_is_not_counted() -> None:
    assert None is ratio(row(60.0), row(None))
    assert None is row(None, None).cpu


def test_the_median_counts() -> None:
    assert 61.0 == row(60.0, 61.0, 400.0).cpu


def test_what_was_not_measured_is_not_met() -> None:
    assert {Verdict.NOT_MEASURED} == {budget.verdict for budget in judge(Results(), 0)}


def test_each_budget_has_its_limit() -> None:
    results = Results(
        {
            (MAIN.key, "nginx"): row(19.9),
            (MAIN.key, "nginx, bare"): row(20.0),
            (MAIN.key, "mod_auth_openidc"): row(120.0),
            (MAIN.key, "oauth2-proxy"): row(61.0),
            (MAIN.key, "Lychgate"): row(60.0),
            (ONE.key, "nginx"): row(20.0, p50=0.1),
            (ONE.key, "Lychgate"): row(60.0, p50=0.3),
            (LARGE.key, "nginx"): row(7000.0),
            (LARGE.key, "Lychgate"): row(7001.0),
        }
    )
    expected = [Verdict.MET, Verdict.NOT_MET, *[Verdict.MET] * 3, Verdict.NOT_MET, *[Verdict.MET] * 3]

    assert 0.2 == round(added(results, ONE, "nginx") or 0, 6)
    assert expected == [budget.verdict for budget in judge(results, 79 * _MIB, Beside(20 * _MIB, 5.0, 24.0))]
    worse = judge(results, 81 * _MIB, Beside(33 * _MIB, 5.0, 26.0))
    assert [Verdict.NOT_MET] * 3 == [budget.verdict for budget in worse[-3:]]
