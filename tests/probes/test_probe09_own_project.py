"""Probe 9: a project of its own, from the wheel, in pytest-asyncio's auto mode: an own case and defect work, other tests are untouched.

The wheel alone also brings the sites and the cases; an editable install finds those of the checkout.
"""

import os
import subprocess
from pathlib import Path

import pytest
from ci.readme_blocks import ROOT, install

from chargekit.lab.bundled import conformance_folder, fleets_folder

CONFTEST = """
from chargekit.emulator.station import Station
from chargekit.lab.defects import register
from chargekit.model.points import Defect


@register
class TwoAmpsMore(Defect, Station):
    name = "two-amps-more"
    seen = "signals two amperes more than the limit"
    area, point = "profiles", "station.offered_a"

    def offered_a(self, outlet, limit_a, now):
        good = super().offered_a(outlet, limit_a, now)
        return good + 2.0 if good else good
"""
TESTS = """
import asyncio

from chargekit.judge import case


@case("MY-001", requires={"smart_charging"}, covers={"our own rule"})
async def test_seven_amps_are_kept(bench):
    charger = await bench.reach("EnergyTransferStarted")
    await charger.set_limit(amps=7)
    await charger.meter.settles(at_most_a=7, within=charger.profile.settle_s)


async def test_unrelated_async():
    await asyncio.sleep(0)
    assert type(asyncio.get_running_loop()).__module__.startswith("asyncio")


def test_unrelated():
    assert True is not False
"""


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    return install(tmp_path_factory.mktemp("wheel"))


@pytest.fixture
def project(tmp_path):
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_own.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\nchargekit_site = mixed-use\n")
    return tmp_path


def run(command, cwd):
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=120)


def test_an_own_case_an_own_defect_and_unrelated_tests(scripts, project):
    pytest_of = [scripts / "python", "-m", "pytest", "-q", "--chargekit-subject", "ac-01", "--chargekit-subject", "ac-11"]
    good = run(pytest_of, project)
    assert "4 passed" in good.stdout, good.stdout + good.stderr
    bad = run([*pytest_of, "--chargekit-defect", "two-amps-more"], project)
    assert "2 failed, 2 passed" in bad.stdout, bad.stdout + bad.stderr
    assert "ac-01 did not fall below 7.3 A" in bad.stdout


def test_the_wheel_alone_brings_sites_and_cases(scripts, tmp_path):
    where = run([scripts / "python", "-c", "import chargekit.lab.bundled as b; print(b.fleets_folder())"], tmp_path)
    assert "_bundled" in where.stdout, where.stderr
    listed = run([scripts / "chargekit", "cases"], tmp_path)
    assert "CK-PRO-001" in listed.stdout, listed.stderr


def test_an_editable_install_finds_those_of_the_checkout():
    assert fleets_folder() == Path(ROOT, "fleets")
    assert conformance_folder() == Path(ROOT, "conformance")
