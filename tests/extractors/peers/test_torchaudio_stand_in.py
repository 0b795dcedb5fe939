"""torchcrepe is imported whether or not torchaudio loads, and it is said which."""

import subprocess
import sys

import pytest

from extractors.errors import UnavailableError
from extractors.peers import torchaudio_stand_in as module


def in_a_fresh_interpreter(code):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def test_stand_in_serves_for_the_import_only():
    """A torchaudio that cannot load: blocked here by a None in sys.modules."""
    found = in_a_fresh_interpreter(
        "import sys\n"
        "sys.modules['torchaudio'] = None\n"
        "from extractors.peers import torchaudio_stand_in as s\n"
        "s._failure()\n"
        "package = s.import_torchcrepe()\n"
        "print('torchaudio' in sys.modules)\n"
        "print(s.torchaudio_state())\n"
        "try: package.load.torchaudio.load('x')\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    assert found[0] == "False"
    assert found[1].startswith("stand-in (")
    assert found[2].startswith("UnavailableError torchaudio does not load")


def test_real_one_is_used_where_it_loads(tmp_path):
    (tmp_path / "torchaudio.py").write_text("__version__ = '9.9'\n")
    found = in_a_fresh_interpreter(
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from extractors.peers import torchaudio_stand_in as s\n"
        "print(s.torchaudio_state())\n"
        "print(s.import_torchcrepe().load.torchaudio.__version__)\n"
    )
    assert found == ["real 9.9", "9.9"]


def test_reason_holds_no_folder_of_this_machine():
    cause = OSError("/home/someone/venv/lib/x.so: cannot open: No such file")
    error = ImportError("outer")
    error.__cause__ = cause
    assert module._one_line(error) == "OSError: x.so: cannot open: No such file"


def test_missing_torchcrepe_says_what_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, "torchcrepe", raising=False)
    monkeypatch.setattr(module, "_failure", lambda: None)

    def missing(name):
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(module.importlib, "import_module", missing)
    with pytest.raises(UnavailableError, match="pip install torchcrepe"):
        module.import_torchcrepe()
