"""An operator's own view of volatility surfaces: what `ballast surface fit` wrote, as the expiries on chain take it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import isqrt
from pathlib import Path

from ballast.chain.contracts import System
from ballast.chain.ids import expiry_key
from ballast.chain.quorum import ReportKind, SignedReport
from ballast.errors import ConfigurationError
from ballast.keeper.publisher import WAD, Values
from ballast.risk.pricing import BILLION, YEAR, Surface
from ballast.risk.surface.report import stored_surfaces
from ballast.risk.surface.svi import SurfaceError
from ballast.store import BlockRef

_EXPIRY_BITS = 40
# Where two surfaces are compared, in standard deviations at the forward.
_DEVIATIONS = (-2, -1, 0, 1, 2)


@dataclass(frozen=True)
class FileSurfaces:
    """Surfaces from the `surfaces.json` that another process keeps with `ballast surface fit --out`. Of its currencies
    those count that are underlyings of the deployment, and of their expiries those that are listed and still to come.

    Attributes:
        variance_tolerance: Largest relative difference from one's own variance that one signs, within two standard
            deviations of the forward; basis points.
        premium_tolerance: Largest difference of the forward premium that one signs; 1e9 is one.
    """

    path: Path
    variance_tolerance: int = 1_000
    premium_tolerance: int = BILLION // 500
    contract: str = "Expiries"
    purpose: str = "publish-surfaces 0x0"

    def read(self, system: System, block: BlockRef) -> tuple[int, Values]:
        held_at, surfaces = self._surfaces()
        underlyings = {name: number for number, name in system.deployment.underlyings.items() if name in surfaces}
        listed = system.read_all([(self.contract, "expiriesOf", [number]) for number in underlyings.values()], block)
        now = system.connection.timestamp(block)
        values = {}
        for (name, number), expiries in zip(underlyings.items(), listed, strict=True):
            for expiry in expiries:
                if expiry > now and (surface := surfaces[name].get(expiry)):
                    report = SignedReport.of_surface(expiry_key(number, expiry), surface.pack())
                    values[report.subject] = report.value
        return held_at, values

    def agrees(self, report: SignedReport, own: int, published_at: int) -> bool:
        theirs, ours = Surface.unpack(report.value), Surface.unpack(own)
        if abs(theirs.premium - ours.premium) > self.premium_tolerance:
            return False
        tenor = max(0, (report.subject % (1 << _EXPIRY_BITS)) - published_at)
        deviation = isqrt(ours.variance(0) * tenor // YEAR * WAD)
        points = [count * deviation for count in _DEVIATIONS]
        return all(
            abs(theirs.variance(k) - ours.variance(k)) * 10_000 <= self.variance_tolerance * ours.variance(k)
            for k in points
        )

    def report(self, subject: int, value: int) -> SignedReport:
        return SignedReport(subject, value, kind=ReportKind.SURFACE)

    def published_at(self, system: System, subject: int, block: BlockRef) -> int:
        number, expiry = divmod(subject, 1 << _EXPIRY_BITS)
        stored = system.read(self.contract, "expiryOf", number, expiry, block=block)
        return Surface.unpack(stored.surface).published_at

    def _surfaces(self) -> tuple[int, dict[str, dict[int, Surface]]]:
        """When the quotes were taken, the oldest of the currencies; and surfaces by currency and expiry."""
        try:
            document = json.loads(self.path.read_text())
            surfaces = stored_surfaces(document)
            return min((int(each["time"]) for each in document["surfaces"]), default=0), surfaces
        except FileNotFoundError:
            return 0, {}
        except (KeyError, TypeError, ValueError, SurfaceError) as fault:
            raise ConfigurationError(f"{self.path}: not a file of surfaces ({fault})") from None
