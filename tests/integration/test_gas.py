"""Gas does not grow unannounced: what is committed in benchmarks/gas.json is the most an act may cost."""

import json

from ballast.chain.artifacts import checkout_root
from scripts.bench.gas import measure_gas


def test_gas__measured_now__is_what_is_committed_or_less():
    committed = json.loads((checkout_root() / "benchmarks" / "gas.json").read_text())["figures"]
    measured = {figure.name: figure.gas for figure in measure_gas()}
    grown = {name: (gas, committed[name]["gas"]) for name, gas in measured.items() if gas > committed[name]["gas"]}

    assert measured.keys() == committed.keys()
    assert not grown, f"run `./dev bench gas --write` and say why: {grown}"
