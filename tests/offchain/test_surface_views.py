"""Which of another signer's surfaces an operator signs."""

from dataclasses import replace
from pathlib import Path

import pytest

from ballast.chain.ids import expiry_key
from ballast.chain.quorum import ReportKind, SignedReport
from ballast.keeper.surfaces import FileSurfaces
from ballast.risk.pricing import Surface

NOW = 1_700_000_000
OWN = Surface(5_000_000, 200_000_000, 300_000_000, -200_000_000, 0, 300_000_000)
KEY = expiry_key(2, NOW + 30 * 86_400)
VIEWS = FileSurfaces(Path("unread"))


def agrees(theirs, key=KEY):
    return VIEWS.agrees(SignedReport.of_surface(key, theirs.pack()), OWN.pack(), NOW)


@pytest.mark.parametrize(
    ("change", "signed"),
    [
        ({}, True),
        ({"a": 225_000_000}, True),
        ({"a": 232_000_000}, False),
        ({"a": 168_000_000}, False),
        ({"premium": 7_000_000}, True),
        ({"premium": 7_000_001}, False),
        ({"premium": 2_999_999}, False),
    ],
)
def test_agrees__level_and_premium__up_to_their_tolerance(change, signed):
    assert agrees(replace(OWN, **change)) is signed


@pytest.mark.parametrize(("rho", "signed"), [(-300_000_000, True), (-800_000_000, False), (400_000_000, False)])
def test_agrees__tilt__counts_out_to_two_deviations(rho, signed):
    tilted = replace(OWN, rho=rho)
    assert abs(tilted.variance(0) - OWN.variance(0)) * 100 < OWN.variance(0)
    assert agrees(tilted) is signed


def test_agrees__tilt_of_an_expiry_in_an_hour__counts_less():
    tilted = replace(OWN, rho=400_000_000)
    assert agrees(tilted, expiry_key(2, NOW + 3_600))


def test_report__of_a_surface__is_of_its_kind():
    assert VIEWS.report(KEY, 7) == SignedReport(KEY, 7, kind=ReportKind.SURFACE)
