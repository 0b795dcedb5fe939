"""A file of claims that cannot mean anything is refused; shipped ones are complete."""

from __future__ import annotations

import math

import pytest
import yaml

from extractors.errors import ConfigError
from harness.claims.model import FLAWS
from harness.claims.reader import load_claims, parse_claims, parse_figure
from harness.confdir import conf_dir
from harness.metrics import all_metrics

METRICS = all_metrics()
SOUND = {
    "id": "speed",
    "source": "api",
    "text": "speed of it",
    "value": "10 x",
    "hardware": "any",
    "metric": "x_realtime",
}


def parsed(*entries, **head):
    content = {
        "sources": {"api": "an API reference"},
        "hardware": {"small": {"text": "a small GPU", "gpu": "T4"}},
        "claims": [{**SOUND, **entry} for entry in entries],
        **head,
    }
    for entry in filter(lambda e: isinstance(e, dict), content["claims"]):
        for key in [key for key, value in entry.items() if value is None]:
            del entry[key]
    return parse_claims("mine", content, METRICS)


@pytest.mark.parametrize(
    ("text", "low", "high", "unit"),
    [
        ("1.76 ms", 1.76, 1.76, "ms"),
        ("~3 s", 3.0, 3.0, "s"),
        ("63–100 x", 63.0, 100.0, "x"),
        ("2-3 x", 2.0, 3.0, "x"),
        ("< 1 MB", -math.inf, 1.0, "MB"),
        (">=95 %", 95.0, math.inf, "%"),
        (0.82, 0.82, 0.82, "1"),
    ],
)
def test_figures(text, low, high, unit):
    found = parse_figure("value", text)
    assert (found.low, found.high, found.unit) == (low, high, unit)


@pytest.mark.parametrize(
    "text", ["fast", "3 2 x", "5–2 s", "< 2–3 s", True, "", "-3 s"]
)
def test_what_is_no_figure(text):
    with pytest.raises(ConfigError, match="expected"):
        parse_figure("value", text)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"vaule": "1 x"}, "unknown key 'vaule'; did you mean 'value'?"),
        ({"value": None}, "'value' is missing"),
        ({"value": "10 xx"}, "unknown unit 'xx'; did you mean 'x'?"),
        ({"value": "10 ms"}, "not measured in ms; use x"),
        ({"value": "10"}, "not measured in 1; use x"),
        ({"source": "ap"}, "source: unknown 'ap'; did you mean 'api'?"),
        ({"hardware": "smal"}, "hardware: unknown 'smal'; did you mean 'small'?"),
        ({"metric": "x_realtme"}, "did you mean 'x_realtime'?"),
        ({"metric": None}, "name one of 'metric' and 'untested'"),
        ({"untested": "why"}, "name one of 'metric' and 'untested'"),
        ({"metric": None, "untested": "why", "to": {}}, "remove 'to'"),
        ({"metric": None, "untested": ""}, "untested needs a reason"),
        ({"where": {"extractor": "crep"}}, "unknown 'crep'; did you mean 'crepe'?"),
        ({"where": {"modle": "tiny"}}, "unknown key 'modle'; did you mean 'model'?"),
        ({"audio": "42 min", "metric": "rtf"}, "'audio' needs metric: x_realtime"),
        ({"audio": "42 Hz"}, "expected an amount of audio, e.g. 42 min"),
        ({"audio": "42 min"}, "not measured in x; use us or ms or s or min or h"),
        ({"malformed": "a", "contradicted": "b"}, "not both"),
    ],
)
def test_a_mistake_names_the_claim_and_the_remedy(entry, told):
    with pytest.raises(ConfigError) as caught:
        parsed(entry)
    text = str(caught.value)
    assert text.startswith("claims mine: claim speed") and told in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("head", "told"),
    [
        ({"claims": []}, "it has no claims"),
        ({"claims": {}}, "expected a mapping with a list of claims"),
        ({"claims": [3]}, "every claim is a mapping with an 'id'"),
        ({"claim": 1}, "unknown key 'claim'; did you mean 'claims'?"),
        ({"tolerance": "10 s"}, "expected a share, e.g. 10 %"),
        (
            {"hardware": {"a": {"gpus": "T4"}}},
            "unknown key 'gpus'; did you mean 'gpu'?",
        ),
        ({"hardware": {"a": {"text": "x"}}}, "state gpu, cpu or cores"),
        ({"hardware": {"a": {"cores": "2"}}}, "expected a whole number"),
    ],
)
def test_the_head_is_read_strictly(head, told):
    with pytest.raises(ConfigError) as caught:
        parsed({}, **head)
    assert told in str(caught.value)


def test_two_claims_of_one_id():
    with pytest.raises(ConfigError, match="two claims have the id 'speed'"):
        parsed({}, {})


def shipped():
    return sorted((conf_dir() / "claims").glob("*.yaml"))


def test_the_shipped_files():
    assert {path.stem for path in shipped()} == {"voice_man", "pytorch_hmm"}


@pytest.mark.parametrize("path", shipped(), ids=lambda path: path.stem)
def test_shipped_files_parse(path):
    found = load_claims(path.stem, METRICS, [conf_dir()])
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert [claim.id for claim in found.claims] == [c["id"] for c in content["claims"]]
    assert found.about and all(claim.text and claim.source for claim in found.claims)
    for claim in found.claims:
        assert bool(claim.flaw) == bool(claim.flaw_reason)
        assert claim.flaw in ("", *FLAWS)


def test_figures_of_the_sources_are_all_there():
    texts = {
        name: {c.figure.text for c in load_claims(name, METRICS, [conf_dir()]).claims}
        for name in ("voice_man", "pytorch_hmm")
    }
    for figure in ("~1.76 ms", "~200 ms", "114 x", "113 x", "131 s", "4.1 h", "99.0 %"):
        assert figure in texts["voice_man"]
    assert "568 windows/s" in texts["voice_man"]
    for figure in ("176 ms", "1.76 s", "17.6 s", "160 x", "63 x", "63–100 x", "100 x"):
        assert figure in texts["voice_man"]
    for figure in ("200 MB", "900 MB", "1.8 GB", "2 GB", "4 GB", "< 6 GB", "< 1 MB"):
        assert figure in texts["voice_man"]
    for figure in ("312 x", "287 x", "445 x", "198 x", "190 x", "150 x", "4.8 dB"):
        assert figure in texts["pytorch_hmm"]


def test_an_unknown_file_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'voice_man'"):
        load_claims("voiceman", METRICS, [conf_dir()])
    with pytest.raises(ConfigError, match="no such file"):
        load_claims("none.yaml", METRICS, [conf_dir()])
