"""What doctor says of machines that lack one thing or another."""

import importlib.metadata
import importlib.util
import json
from types import SimpleNamespace

import pytest

from extractors.errors import UsageError
from harness import doctor, doctor_packages
from harness.environment import Inventory
from harness.finding import Finding

SOUND = Inventory(
    devices=("cpu",),
    reasons={"cuda": "torch 2.13.0+cpu is a CPU build"},
    threads=2,
    torchaudio="real 2.11.0",
)


def one(findings):
    (finding,) = findings
    return finding


@pytest.fixture
def package(monkeypatch):
    """Pretend requirements and installed versions."""

    def pretend(lines, versions, extras=()):
        def version(name):
            if name not in versions:
                raise importlib.metadata.PackageNotFoundError(name)
            return versions[name]

        metadata = SimpleNamespace(get_all=lambda name: list(extras))
        monkeypatch.setattr(doctor_packages, "requirements", lambda: lines)
        monkeypatch.setattr(importlib.metadata, "version", version)
        monkeypatch.setattr(importlib.metadata, "metadata", lambda name: metadata)

    return pretend


def test_packages_in_range_are_one_line(package):
    package(["torch>=2.4", "rich>=13"], {"torch": "2.13.0+cpu", "rich": "15.0"})
    finding = one(doctor_packages.check_packages())
    assert (finding.level, finding.text) == ("ok", "torch 2.13.0+cpu, rich 15.0")


def test_a_missing_package_fails_with_the_pip_line(package):
    package(["torch>=2.4"], {})
    finding = one(doctor_packages.check_packages())
    assert finding == Finding(
        "fail", "torch", "required but not installed", "pip install 'torch>=2.4'"
    )
    assert doctor.exit_code([finding]) == 2


def test_a_version_out_of_range_warns(package):
    package(["hydra-core<1.5,>=1.3.5"], {"hydra-core": "1.5.0"})
    finding = one(doctor_packages.check_packages())
    assert finding.level == "warn"
    assert "1.5.0 is outside" in finding.text
    assert finding.remedy.startswith("pip install 'hydra-core")
    assert doctor.exit_code([finding]) == 0


def test_requirements_of_other_platforms_are_not_missed(package):
    package(["colorama; platform_system == 'Nowhere'"], {})
    assert list(doctor_packages.check_packages()) == []


def test_extras_with_their_exact_pip_line(package):
    lines = [
        "swift-f0>=0.3; extra == 'swiftf0'",
        "onnxruntime>=1.17; extra == 'swiftf0'",
        "praat-parselmouth>=0.4.5; extra == 'praat'",
        "f0bench[praat]; extra == 'dev'",
    ]
    package(lines, {"swift-f0": "0.3"} | {"praat-parselmouth": "0.4.7"}, EXTRAS)
    praat, swiftf0 = doctor_packages.check_extras()
    assert (praat.level, praat.text) == ("ok", "praat-parselmouth 0.4.7")
    assert swiftf0 == Finding(
        "info",
        "extra swiftf0",
        "onnxruntime not installed",
        "pip install 'f0bench[swiftf0]'",
    )


EXTRAS = ("swiftf0", "praat", "dev")


def test_every_extra_of_the_real_package_is_reported():
    topics = {finding.topic for finding in doctor_packages.check_extras()}
    assert {f"extra {name}" for name in ("swiftf0", "praat", "gpu", "test")} <= topics


def test_torch_that_does_not_import_fails():
    broken = Inventory(reasons={"torch": "torch cannot be imported: libc10"})
    assert one(doctor.check_devices(broken)).level == "fail"


def test_a_gpu_that_torch_cannot_use_is_a_warning(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "NVIDIA_DEVICES", (str(tmp_path / "absent"),))
    finding = one(doctor.check_devices(SOUND))
    assert finding.level == "info"
    assert finding.text == "torch 2.13.0+cpu is a CPU build; cells on cuda are skipped"
    monkeypatch.setattr(doctor, "NVIDIA_DEVICES", (str(tmp_path),))
    assert one(doctor.check_devices(SOUND)).level == "warn"


def test_a_usable_gpu_is_named():
    found = Inventory(("cpu", "cuda"), gpus=("H200",), driver="580.1", cuda="13.0")
    text = one(doctor.check_devices(found)).text
    assert text == "H200; CUDA 13.0, driver 580.1"


@pytest.mark.parametrize(
    ("state", "level"),
    [("real 2.11.0", "ok"), ("stand-in (no libc10_cuda)", "info"), (None, "info")],
)
def test_torchaudio_is_real_or_a_stand_in(state, level):
    assert one(doctor.check_torchaudio(Inventory(torchaudio=state))).level == level


def test_weights_are_found_in_the_package_with_their_size(monkeypatch, tmp_path):
    spec = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "tiny.pth").write_bytes(bytes(3 * 2**19))
    full, tiny = doctor.check_weights()
    assert (full.level, tiny.level) == ("warn", "ok")
    assert tiny.text == "CREPE tiny: 1.5 MiB"
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "not installed" in one(doctor.check_weights()).text


def conditions(**changes):
    state = {"governor": "performance", "load_1min": 0.1, "cores": 4, "gpu": None}
    return {f.topic: f for f in doctor.check_conditions({**state, **changes})}


def test_conditions_that_disturb_timing_are_warnings():
    assert {f.level for f in conditions().values()} == {"ok"}
    assert conditions(load_1min=3.0)["load"].level == "warn"
    assert conditions(governor="powersave")["governor"].level == "warn"
    assert conditions(governor=None)["governor"].level == "info"
    assert conditions(gpu={"other_processes": 1})["gpu"].level == "warn"


def test_disk_is_looked_at_where_results_will_be(monkeypatch, tmp_path):
    place = str(tmp_path / "not" / "yet")
    assert one(doctor.check_disk(place)).level == "ok"
    usage = SimpleNamespace(free=2**20)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: usage)
    assert one(doctor.check_disk(place)).level == "warn"


def test_a_numba_cache_that_cannot_be_written_warns(monkeypatch, tmp_path):
    blocked = tmp_path / "file"
    blocked.touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "new"))
    assert one(doctor.check_numba_cache()).level == "ok"
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(blocked / "below"))
    finding = one(doctor.check_numba_cache())
    assert (finding.level, finding.topic) == ("warn", "numba cache")


def test_little_memory_warns(monkeypatch):
    amounts = {"MemAvailable": 2**30, "MemTotal": 2**34, "SwapTotal": 9, "SwapFree": 9}
    monkeypatch.setattr(doctor, "memory_bytes", lambda name="MemTotal": amounts[name])
    assert one(doctor.check_memory()).level == "warn"
    amounts["MemAvailable"] = 2**33
    assert one(doctor.check_memory()).text == "8.0 of 16.0 GiB available"


def test_the_report_covers_every_topic(tmp_path):
    findings = doctor.report(str(tmp_path), SOUND)
    topics = {finding.topic for finding in findings}
    assert {"python", "packages", "cuda", "torchaudio", "weights", "configuration"} <= (
        topics
    )
    assert {"threads", "governor", "load", "memory", "disk", "numba cache"} <= topics
    assert not [f for f in findings if f.level == "fail"]


def test_json_is_one_strict_document(monkeypatch, capsys):
    finding = Finding("fail", "torch", "absent", "pip install torch")
    monkeypatch.setattr(doctor, "report", lambda *args: [finding])
    assert doctor.main(SimpleNamespace(json=True)) == 2
    document = json.loads(capsys.readouterr().out)
    assert document["exit_code"] == 2
    assert document["findings"] == [
        {
            "level": "fail",
            "topic": "torch",
            "text": "absent",
            "remedy": "pip install torch",
        }
    ]


def test_text_shows_brackets_as_they_are(monkeypatch, capsys):
    finding = Finding("info", "extra gpu", "absent", "pip install 'f0bench[gpu]'")
    monkeypatch.setattr(doctor, "report", lambda *args: [finding])
    assert doctor.main() == 0
    assert "→ pip install 'f0bench[gpu]'" in capsys.readouterr().out


def test_further_words_are_refused():
    with pytest.raises(UsageError, match="'deep'"):
        doctor.main(None, ["deep"])
