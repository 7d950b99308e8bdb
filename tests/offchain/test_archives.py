"""Readers of public price archives, and the extracts cut from them."""

import gzip
import sys
import zipfile
from importlib import resources

import numpy as np
import pandas
import pytest

from ballast.risk.archives import (
    BAR_NAMES,
    RISKY_SYMBOLS,
    ArchiveMissing,
    ParquetSupportMissing,
    read_bars,
    read_history,
    write_crisis_extracts,
    write_history_extract,
)
from ballast.risk.history import MalformedBars, crisis_names, load_crisis, parse_history

FIRST_HOUR = 1_600_000_000 // 3600 * 3600


def write_klines(folder, symbol, closes, unit=1000, header=False, first=FIRST_HOUR):
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{(first + 3600 * i) * unit},{c},{c + 1},{c - 1},{c},9,0,0,0,0,0,0" for i, c in enumerate(closes)]
    if header:
        lines.insert(0, "open_time,open,high,low,close,volume")
    with zipfile.ZipFile(folder / f"{symbol}USDT-1h-2020-09-{first}.zip", "w") as archive:
        archive.writestr(f"{symbol}USDT-1h.csv", "\n".join(lines) + "\n")


@pytest.fixture
def archives(tmp_path):
    for symbol, level in (("BTC", 10_000.0), ("ETH", 400.0), ("LINK", 10.0)):
        write_klines(tmp_path / "spot", symbol, [level, level + 1, level + 2])
    write_klines(tmp_path / "futures" / "um", "BTC", [10_010.0, 10_001.0])
    return tmp_path


def test_read_bars__monthly_archives__joined_in_order_without_duplicates(tmp_path):
    write_klines(tmp_path, "BTC", [102.0, 103.0], first=FIRST_HOUR + 7200, header=True)
    write_klines(tmp_path, "BTC", [100.0, 101.0, 102.0], unit=10**6)
    bars = read_bars(tmp_path, "BTC", 3600)
    assert list(bars.open_time) == [FIRST_HOUR + 3600 * i for i in range(4)]
    assert list(bars.close) == [100.0, 101.0, 102.0, 103.0]
    assert list(bars.low) == [99.0, 100.0, 101.0, 102.0]


def test_read_bars__perpetual__read_from_the_futures_folder_only(archives):
    assert list(read_bars(archives, "BTC", 3600, market="perp").close) == [10_010.0, 10_001.0]
    assert list(read_bars(archives, "BTC", 3600).close) == [10_000.0, 10_001.0, 10_002.0]


def test_read_bars__no_file__says_what_is_wanted(tmp_path):
    with pytest.raises(ArchiveMissing) as missing:
        read_bars(tmp_path, "SOL", 60)
    assert "SOLUSDT-1m-*.zip" in missing.value.wanted


def test_read_bars__parquet_without_pandas__says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    (tmp_path / "binance_spot_BTCUSDT_1h.parquet").write_bytes(b"PAR1")
    with pytest.raises(ParquetSupportMissing, match="pip install"):
        read_bars(tmp_path, "BTC", 3600)


def test_read_bars__parquet__read_like_the_monthly_archives(tmp_path):
    rows = {
        "ts": [FIRST_HOUR, FIRST_HOUR + 3600],
        "open": [1.0, 2],
        "high": [2.0, 3],
        "low": [0.5, 1],
        "close": [2.0, 3],
    }
    pandas.DataFrame(rows).to_parquet(tmp_path / "binance_spot_BTCUSDT_1h_part.parquet")
    assert list(read_bars(tmp_path, "BTC", 3600).close) == [2.0, 3.0]


def test_read_history__prices_stand_at_the_end_of_their_bar(archives):
    history = read_history(archives)
    assert list(history.time) == [FIRST_HOUR + 3600 * i for i in (1, 2, 3)]
    assert history.symbols == ("BTC", "ETH", "LINK", "USDT")
    assert list(history.closes[:, 1]) == [400.0, 401.0, 402.0]
    assert np.isnan(history.closes[:, 3]).all()
    assert history.basis["BTC"][:2] == pytest.approx([0.001, 0.0])
    assert np.isnan(history.basis["BTC"][2]) and np.isnan(history.basis["ETH"]).all()


def test_write_history_extract__round_trip__equals_what_was_read(archives, tmp_path):
    path = write_history_extract(archives, tmp_path / "out")
    written, read = parse_history(path.read_bytes()), read_history(archives)
    assert np.array_equal(written.closes, read.closes, equal_nan=True)
    assert np.array_equal(written.time, read.time)


def test_write_crisis_extracts__archives_of_the_shipped_windows__give_the_shipped_files(tmp_path):
    archives, out = tmp_path / "archives", tmp_path / "out"
    archives.mkdir()
    for crisis in map(load_crisis, crisis_names()):
        for symbol in RISKY_SYMBOLS:
            b = crisis.bars[symbol]
            rows = zip((b.open_time * 1000).tolist(), b.open, b.high, b.low, b.close, strict=True)
            name = f"{symbol}USDT-{BAR_NAMES[crisis.bar_seconds]}-{crisis.name}"
            with zipfile.ZipFile(archives / f"{name}.zip", "w") as archive:
                archive.writestr(f"{name}.csv", "\n".join(",".join(map(str, row)) for row in rows))
    written = list(write_crisis_extracts(archives, out))
    shipped = resources.files("ballast").joinpath("data/crises")
    assert len(written) == len(RISKY_SYMBOLS) * len(crisis_names())
    for path in written:
        assert gzip.decompress(path.read_bytes()) == gzip.decompress(shipped.joinpath(path.name).read_bytes())


@pytest.mark.parametrize(
    "text",
    ["time,BTC\n1,2\n", "time,BTC,ETH,LINK,USDT,BTC_basis,ETH_basis\n7200,1,1,1,1,0,0\n3600,1,1,1,1,0,0\n"],
    ids=["columns", "order"],
)
def test_parse_history__damaged__refused(text):
    with pytest.raises(MalformedBars):
        parse_history(gzip.compress(text.encode()))
