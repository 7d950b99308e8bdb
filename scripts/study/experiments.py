"""What the study runs: mechanisms on the same accounts, bidders, paths and seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from ballast.risk.auction import AuctionParameters
from scripts.study.mechanisms import Auction, Clip, CloseFactor, FeeToHealth, Mechanism, Seizure
from scripts.study.paths import CALM, CRISES, SPIKE, Regime, load_path, without_rebound
from scripts.study.population import Scene, measure, open_accounts
from scripts.study.report import figures
from scripts.study.simulation import Market, PoolSimulation, Result, Simulation

SEED, HOURS, ACCOUNTS = 1, 36, 240
SEEDS = (1, 2, 3)
DEEP, WORST = ("2020-03-12", "2021-05-19", "2022-11-08"), ("2020-03-12", "2021-05-19")
COMPETITION = (1, 2, 5)
CAPITAL = (0.005, 0.02, 0.08)
COSTS = (0.5, 1.0, 3.0)
PERCENT, HOUR = 10_000_000, 3600
Say = Callable[[str], None]
FIRST = AuctionParameters(
    start_discount=2 * PERCENT,
    knee_discount=20 * PERCENT,
    minimum_fraction=10 * PERCENT,
    solvent_again=50 * PERCENT,
    seconds_to_knee=900,
    seconds_to_full=4 * HOUR,
    premium_seconds=HOUR,
    fastest_clock=16,
)
"""What auctions had before this study."""
CALIBRATED = replace(FIRST, knee_discount=40 * PERCENT, premium_seconds=4 * HOUR)
"""What it ends with."""

OURS: tuple[Auction, ...] = (
    Auction("this protocol, first parameters", FIRST),
    Auction("this protocol, calibrated", CALIBRATED),
)
ALTERNATIVES: tuple[Mechanism | Seizure, ...] = (
    *OURS,
    CloseFactor("Aave's way, bonus 5 %"),
    CloseFactor("Aave's way, bonus 10 %", bonus=10 * PERCENT),
    FeeToHealth("Mango 4's way, fee 2.5 %"),
    Seizure("Synthetix' way, seizure"),
    Clip("Maker's way, from above"),
)


def changed(name: str, **parameters: int) -> Auction:
    """The first parameters, some changed."""
    return Auction(name, replace(FIRST, **parameters))


def variants() -> list[Auction]:
    """The first parameters, with one thing changed at a time, then with more."""
    return [
        Auction("first parameters", FIRST),
        changed("start 0 %", start_discount=0),
        changed("start 5 %", start_discount=5 * PERCENT),
        changed("knee 10 %", knee_discount=10 * PERCENT),
        changed("knee 40 %", knee_discount=40 * PERCENT),
        changed("knee in 5 min", seconds_to_knee=300),
        changed("knee in 45 min", seconds_to_knee=2700),
        changed("full in 1 h", seconds_to_full=HOUR),
        changed("full in 12 h", seconds_to_full=12 * HOUR),
        Auction("clock steady", FIRST, power=0),
        Auction("clock to the power 1", FIRST, power=1),
        Auction("clock to the power 3", FIRST, power=3),
        changed("clock at most 4 times", fastest_clock=4),
        changed("clock at most 64 times", fastest_clock=64),
        changed("least fraction 1 %", minimum_fraction=PERCENT),
        changed("least fraction 30 %", minimum_fraction=30 * PERCENT),
        Auction("everything sold", FIRST, whole=True),
        changed("premium in 15 min", premium_seconds=900),
        changed("premium in 4 h", premium_seconds=4 * HOUR),
        changed("premium in 12 h", premium_seconds=12 * HOUR),
        changed("solvent again at 10 % of MM", solvent_again=10 * PERCENT),
        changed("solvent again at 100 % of MM", solvent_again=100 * PERCENT),
        changed("premiums to 2 % of the fund", premium_fund_share=2 * PERCENT),
        *candidates(),
    ]


def candidates() -> list[Auction]:
    """What helped, together."""
    slow = 4 * HOUR
    return [
        changed("knee in 5 min, premium in 4 h", seconds_to_knee=300, premium_seconds=slow),
        changed("knee 30 % in 10 min, premium in 2 h", knee_discount=30 * PERCENT, seconds_to_knee=600,
                premium_seconds=2 * HOUR),
        changed("knee 40 %, premium in 4 h", knee_discount=40 * PERCENT, premium_seconds=slow),
        changed("knee 40 %, full in 12 h, premium in 4 h", knee_discount=40 * PERCENT, seconds_to_full=12 * HOUR,
                premium_seconds=slow),
        changed("knee 40 %, premium in 12 h", knee_discount=40 * PERCENT, premium_seconds=12 * HOUR),
    ]  # fmt: skip


def scene_of(crisis: str, hours: int = HOURS, accounts: int = ACCOUNTS, seed: int = SEED) -> Scene:
    """A crisis and its accounts."""
    path = load_path(crisis, hours, seed)
    return measure(path, *open_accounts(path, accounts, seed))


def simulate(
    scene: Scene,
    mechanism: Mechanism | Seizure,
    regime: Regime,
    bidders: int,
    market: Market | None = None,
    seed: int = SEED,
) -> Result:
    """One run."""
    kind = PoolSimulation if isinstance(mechanism, Seizure) else Simulation
    return kind(scene, mechanism, regime, bidders, seed, market).run()  # type: ignore[arg-type]


def study(say: Say, crises: Sequence[str] = CRISES) -> dict[str, Any]:
    """All of it; minutes."""
    names = ("alternatives", "variants", "capital", "costs", "rebound", "seeds")
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for crisis in crises:
        scene = scene_of(crisis)
        say(f"{crisis}: {scene.accounts} accounts, open interest {scene.open_interest:,.0f}")
        rows["alternatives"] += _alternatives(scene)
        if crisis in DEEP:
            rows["variants"] += _variants(scene)
        if crisis in WORST:
            rows["capital"] += _capital(scene)
            rows["costs"] += _costs(scene)
            rows["rebound"] += _without_rebound(crisis)
            rows["seeds"] += seeds(crisis)
    return {"settings": {"seed": SEED, "hours": HOURS, "accounts": ACCOUNTS, "market": vars(Market())}, **rows}


def _alternatives(scene: Scene) -> Iterator[dict[str, Any]]:
    for mechanism in ALTERNATIVES:
        for regime in (CALM, SPIKE):
            for bidders in COMPETITION:
                place = {"crisis": scene.path.crisis, "regime": regime.name, "bidders": bidders}
                yield {"mechanism": mechanism.name, **place, **figures(simulate(scene, mechanism, regime, bidders))}


def _variants(scene: Scene, of: Sequence[Mechanism | Seizure] = ()) -> Iterator[dict[str, Any]]:
    """With much competition on a calm chain, and little on a clogged one."""
    for variant in of or variants():
        for regime, bidders in ((CALM, 5), (SPIKE, 2)):
            place = {"crisis": scene.path.crisis, "regime": regime.name, "bidders": bidders}
            yield {"variant": variant.name, **place, **figures(simulate(scene, variant, regime, bidders))}


def _capital(scene: Scene) -> Iterator[dict[str, Any]]:
    for mechanism in ALTERNATIVES:
        for capital in CAPITAL:
            place = {"mechanism": mechanism.name, "capital": f"{capital:.1%} of OI", "crisis": scene.path.crisis}
            yield {**place, **figures(simulate(scene, mechanism, SPIKE, 2, Market(capital=capital)))}


def _costs(scene: Scene) -> Iterator[dict[str, Any]]:
    for mechanism in (*ALTERNATIVES, *candidates()):
        for times in COSTS:
            place = {"mechanism": mechanism.name, "costs": f"{times:g} times", "crisis": scene.path.crisis}
            yield {**place, **figures(simulate(scene, mechanism, SPIKE, 2, Market(times=times)))}


def _without_rebound(crisis: str) -> Iterator[dict[str, Any]]:
    path = without_rebound(load_path(crisis, HOURS, SEED))
    scene = measure(path, *open_accounts(path, ACCOUNTS, SEED))
    return _variants(scene, (*ALTERNATIVES, *candidates()))


def seeds(crisis: str) -> Iterator[dict[str, Any]]:
    """Other accounts, other paths within hours, other bidders."""
    for seed in SEEDS:
        scene = scene_of(crisis, seed=seed)
        for mechanism in ALTERNATIVES:
            for regime, bidders in ((CALM, 5), (SPIKE, 2)):
                place = {"mechanism": mechanism.name, "seed": seed, "crisis": crisis, "regime": regime.name}
                yield {**place, **figures(simulate(scene, mechanism, regime, bidders, seed=seed))}
