"""What every commit must hold: locks without hosts, contracts that fit."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from ballast.chain.artifacts import load_artifacts
from tools import export_abis

LARGEST_CONTRACT = 24_576  # EIP-170
ROOT = export_abis.ROOT


def test_requirements_lock__every_package__is_pinned_with_hashes_and_no_host() -> None:
    text = (ROOT / "requirements.lock").read_text()
    entries = re.split(r"\n(?=[a-zA-Z0-9])", text)
    assert len(entries) > 100
    assert [entry.split()[0] for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []
    assert re.findall(r"https?://|file://|index-url|find-links", text) == []


def test_package_lock__every_package__has_integrity_and_no_registry() -> None:
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    installed = {path: package for path, package in packages.items() if path}
    assert len(installed) > 50
    assert [path for path, package in installed.items() if "resolved" in package] == []
    assert [path for path, package in installed.items() if "integrity" not in package] == []


def test_requirements_lock__every_dependency_of_the_package__is_within_its_bounds() -> None:
    locked = dict(re.findall(r"^([A-Za-z0-9_.-]+)==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    versions = {name.lower().replace("_", "-"): version for name, version in locked.items()}
    project = tomllib.loads((ROOT / "offchain" / "pyproject.toml").read_text())["project"]
    extras = [text for extra in project["optional-dependencies"].values() for text in extra]
    wanted = [Requirement(text) for text in (*project["dependencies"], *extras)]
    outside = [str(one) for one in wanted if not one.specifier.contains(versions[one.name.lower().replace("_", "-")])]
    assert outside == []


def test_export_abis__contract_not_compiled__fails_and_writes_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(export_abis, "TARGET", tmp_path / "abi")
    monkeypatch.setattr(export_abis, "EXPORTED", ("Exchange", "Bourse"))
    with pytest.raises(SystemExit, match="Bourse"):
        export_abis.main()
    assert not (tmp_path / "abi").exists()


def test_contracts__every_deployable_one__fits_eip170() -> None:
    sizes = {name: artifact.runtime_size for name, artifact in load_artifacts(ROOT).items()}
    assert {"Exchange", "Auctions"} <= sizes.keys()
    assert {name: size for name, size in sizes.items() if size > LARGEST_CONTRACT} == {}
