"""``claims`` and ``report … claims=NAME`` as people type them."""

from __future__ import annotations

import json

import pytest

from harness.cli import main

FILE = """
about: a made ledger
sources: {api: an API reference}
hardware: {gb10: {text: NVIDIA GB10, gpu: GB10}}
claims:
  - {id: answered, source: api, text: it answers, value: "> 0 x", hardware: any,
     metric: x_realtime, where: {task: f0}}
  - {id: fast, source: api, text: it is fast, value: 1e9 x, hardware: any,
     metric: x_realtime, where: {task: f0}}
  - {id: gpu, source: api, text: "on a | GPU", value: 3 s, hardware: gb10,
     metric: first_call_s, where: {extractor: crepe, device: cuda}}
  - {id: accuracy, source: api, text: right, value: 99 %, hardware: any,
     untested: no truth, malformed: coverage}
"""


@pytest.fixture
def made(base, tmp_path):
    (tmp_path / "made.yaml").write_text(FILE)
    return base


def test_table_markdown_and_json(made, capsys, strict_json):
    assert main(["claims", "base", "claims=made.yaml", "--json"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    head = "Claims made: 1 reproduced, 1 not_reproduced, 1 malformed, 1 not_measured"
    assert lines[0] == head
    assert max(map(len, lines)) <= 100
    document = strict_json(last)
    found = {claim["id"]: claim for claim in document["claims"]}
    assert found["answered"]["status"] == "reproduced"
    assert (
        found["answered"]["unit"] == "x" and found["answered"]["measured"]["value"] > 0
    )
    assert found["gpu"]["measured"]["value"] is None
    assert found["gpu"]["stated_for"] == "NVIDIA GB10"
    assert json.loads((made / "claims.json").read_text()) == document
    text = (made / "claims.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 6 and r"on a \| GPU" in text


def test_the_report_carries_the_claims(made, capsys):
    assert main(["report", "base", "claims=made.yaml"]) == 0
    out = capsys.readouterr().out
    assert "Claims made: 1 reproduced" in out and "Published figures" in out
    for name in ("report.md", "report.html"):
        assert "not_reproduced" in (made / name).read_text().replace("\\", "")
    main(["report", "base"])
    assert "Published figures" not in (made / "report.md").read_text()


def test_claims_of_a_configuration_folder(made, capsys, tmp_path):
    """By name, in ``claims`` as in ``report``."""
    (tmp_path / "conf" / "claims").mkdir(parents=True)
    (tmp_path / "made.yaml").rename(tmp_path / "conf" / "claims" / "ours.yaml")
    more = ["claims=ours", "--config-dir", str(tmp_path / "conf")]
    for command in ("claims", "report"):
        assert main([command, "base", *more]) == 0
        assert "Claims ours: 1 reproduced" in capsys.readouterr().out
    assert main(["report", "base", "claims=ours"]) == 2


def test_shipped_claims_of_a_run(base, capsys, tmp_path):
    out = tmp_path / "elsewhere"
    assert main(["claims", "base", "--out", str(out)]) == 0
    assert "Claims voice_man" in capsys.readouterr().out
    assert sorted(p.name for p in out.iterdir()) == ["claims.json", "claims.md"]
    assert not (base / "claims.md").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["claims"], "claims needs a run"),
        (["claims", "base", "claim=x"], "unknown key 'claim'; did you mean 'claims'?"),
        (["claims", "base", "claims="], "claims= needs a name"),
        (["claims", "base", "claims=voiceman"], "did you mean 'voice_man'"),
        (["claims", "bse"], "did you mean 'base'"),
        (["claims", "base", "base"], "takes one run, got 2"),
        (["report", "base", "clams=x"], "did you mean 'claims'"),
    ],
)
def test_mistakes_are_one_line_and_exit_2(base, capsys, words, told):
    assert main(words) == 2
    err = capsys.readouterr().err
    assert told in err and err.count("\n") == 1
