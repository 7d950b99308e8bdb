"""`ballast surface`: what it prints, what it writes, and when it refuses."""

import json

import pytest
from click.testing import CliRunner

from ballast.cli.surface import surface
from ballast.risk.surface.chains import write_extract
from ballast.risk.surface.report import stored_surfaces, tenor_name
from ballast.risk.surface.svi import SurfaceError
from tests.support.smiles import DAY, FAR, NEAR, NOON, quoted_chain


def invoke(*arguments):
    return CliRunner(mix_stderr=False).invoke(surface, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def chain_file(tmp_path_factory):
    """Two good expiries, and one that is too near."""
    chain = quoted_chain((NEAR, 30), (FAR, 200), (NEAR, 0.1))
    return write_extract([chain], tmp_path_factory.mktemp("chain") / "deribit_chain.csv.gz")


@pytest.fixture(scope="module")
def written(chain_file):
    """A run that writes: its result, and the folder."""
    out = chain_file.parent / "out"
    return invoke("fit", "--data", chain_file, "--out", out, "--json"), out


def test_fit__json__tells_smiles_errors_and_what_has_none(written):
    result, _ = written
    assert result.exit_code == 0
    (found,) = json.loads(result.stdout)["surfaces"]
    assert (found["currency"], found["time"]) == ("BTC", NOON)
    near, far = found["expiries"]
    assert [near["expiry"], far["expiry"]] == [NOON + 30 * DAY, NOON + 200 * DAY]
    assert near["smile"]["b"] == pytest.approx(NEAR.b, abs=1e-5)
    assert near["error"] < 1e-6 and near["inside"] == 1.0
    assert far["left_out"]["in the money"] == 31
    assert [line["error"] for line in found["refused"]] == ["ExpiryTooNear"]


def test_fit__out__writes_words_and_plots(written):
    result, out = written
    assert sorted(path.name for path in out.iterdir()) == ["BTC.png", "BTC.svg", "surfaces.json"]
    document = json.loads((out / "surfaces.json").read_text())
    assert document == json.loads(result.stdout)
    words = stored_surfaces(document)["BTC"]
    assert list(words) == [NOON + 30 * DAY, NOON + 200 * DAY]
    word = words[NOON + 30 * DAY]
    assert (word.premium, word.published_at) == (10_000_000, NOON)
    assert vars(word) == document["surfaces"][0]["expiries"][0]["fields"]
    assert (out / "BTC.png").read_bytes().startswith(b"\x89PNG")
    assert "</svg>" in (out / "BTC.svg").read_text()


def test_fit__shipped_snapshot__prints_a_table_a_currency():
    result = invoke("fit", "--currency", "ETH")
    assert result.exit_code == 0
    assert "ETH 2026-06-09" in result.stdout and "BTC" not in result.stdout
    assert "2026-12-25" in result.stdout


def test_study__two_snapshots__errors_by_tenor(chain_file):
    result = invoke("study", "--data", chain_file, "--json")
    found = json.loads(result.stdout)
    assert (found["chains"], found["refused"]) == (1, {"ExpiryTooNear": 1})
    assert [(line["tenor"], line["smiles"]) for line in found["lines"]] == [("7 to 35 days", 1), ("beyond", 1)]
    assert all(line["median"] == line["worst"] < 1e-6 for line in found["lines"])


def test_study__table__prints_each_tenor(chain_file):
    result = invoke("study", "--data", chain_file)
    assert "7 to 35 days" in result.stdout and "1 ExpiryTooNear" in result.stdout


def test_extract__nearest_snapshot__fits_as_the_archive_does(chain_file, tmp_path, written):
    out = tmp_path / "extract.csv.gz"
    assert invoke("extract", "--data", chain_file, "--at", "2026-05-28", "--out", out).exit_code == 0
    again = invoke("fit", "--data", out, "--json")
    assert again.stdout == written[0].stdout


def test_fit__currency_not_in_the_chain__says_which_are_and_exits_3(chain_file):
    result = invoke("fit", "--data", chain_file, "--currency", "DOGE")
    assert result.exit_code == 3
    assert "known: BTC" in " ".join(result.stderr.split())


def test_fit__chain_without_usable_quotes__exits_3(tmp_path):
    chain = quoted_chain((NEAR, 0.1))
    result = invoke("fit", "--data", write_extract([chain], tmp_path / "chain.csv.gz"))
    assert result.exit_code == 3
    assert "expires in 2.4 h" in " ".join(result.stderr.split())


@pytest.mark.parametrize("document", [{}, {"surfaces": [{"currency": "BTC"}]}, {"surfaces": 3}])
def test_stored_surfaces__other_documents__refused(document):
    with pytest.raises(SurfaceError, match="not a document of surfaces"):
        stored_surfaces(document)


def test_tenor_name__bounds__belong_to_the_longer():
    assert [tenor_name(days * DAY) for days in (1, 2, 35, 120, 900)] == [
        "up to 2 days",
        "2 to 7 days",
        "35 to 120 days",
        "beyond",
        "beyond",
    ]
