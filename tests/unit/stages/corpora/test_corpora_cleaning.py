"""Cleaning: every reason has a segment that it rejects and a near one that it keeps."""

from __future__ import annotations

import pytest

from bayling_study.config.corpora import Cleaning
from bayling_study.shared.corpus_tables import ParallelSegment
from bayling_study.stages.corpora.cleaning import Cleaner, has_control

ENGLISH = "Enter the address of the device"
GERMAN = "Gib die Adresse des Geräts ein"
CHINESE = "请输入设备的地址"


def reason(text_a: str, text_b: str, language: str = "de", rules: Cleaning | None = None) -> str:
    segment = ParallelSegment("id", "src", "en", language, text_a, text_b, "doc")
    return Cleaner(rules or Cleaning()).reason(segment)


@pytest.mark.parametrize(
    ("text_b", "language"),
    [
        (GERMAN, "de"),
        (CHINESE, "zh"),
        ("在 Home Assistant 中配置 Philips Hue Bridge 设备", "zh"),
        ("ZHA-Geräte (Zigbee) zu 50 % laden, z. B. über Nacht", "de"),
        ("À 100 % sûr, pour 1 000 $ ou $1,000 par an", "fr"),
        ("Zu 100 % die Adresse, z. B. 50% d'accord", "de"),
        ("Введите адрес устройства Philips Hue", "ru"),
        ("デバイスのIPアドレスを入力", "ja"),
    ],
)
def test_good_segments_pass(text_b: str, language: str) -> None:
    assert reason(ENGLISH, text_b, language) == ""


@pytest.mark.parametrize(
    ("expected", "text_a", "text_b", "language"),
    [
        ("too short", "Enter the device address", GERMAN, "de"),
        ("too long", " ".join(["word"] * 61), GERMAN, "de"),
        ("empty", ENGLISH, "", "de"),
        ("empty", "", GERMAN, "de"),
        ("placeholder", "Enter the address of the {device}", GERMAN, "de"),
        ("placeholder", ENGLISH, "{n, plural, one {Gerät} other {Geräte}}", "de"),
        ("placeholder", ENGLISH, "Gib die Adresse von %s ein", "de"),
        ("placeholder", ENGLISH, "Gib %(name)s und %1$d ein", "de"),
        ("placeholder", ENGLISH, "Siehe [[Hilfe]] zur Adresse", "de"),
        ("placeholder", ENGLISH, "[%key:component::hue::title%]", "de"),
        ("placeholder", "Unexpected status of command_line in it", GERMAN, "de"),
        ("markup", ENGLISH, "Gib <b>die Adresse</b> des Geräts ein", "de"),
        ("markup", ENGLISH, "Gib die Adresse&nbsp;des Geräts ein", "de"),
        ("markup", ENGLISH, "Gib die [Adresse](anleitung) ein", "de"),
        ("markup", ENGLISH, "Gib **die Adresse** des Geräts ein", "de"),
        ("markup", ENGLISH, "# Gib die Adresse des Geräts ein", "de"),
        ("url", ENGLISH, "Gib die Adresse von https://a.b/c ein", "de"),
        ("url", ENGLISH, "Gib die Adresse von example.com ein", "de"),
        ("url", "Send it to someone@example.org right now", GERMAN, "de"),
        ("url", "The file is in /etc/ssl/certs by default", GERMAN, "de"),
        ("control", ENGLISH, "Gib die\u200bAdresse des Geräts ein", "de"),
        ("control", ENGLISH, "Gib die Adresse\x07 des Geräts ein", "de"),
        ("control", ENGLISH, "Gib die Adresse des Ger\ufffdts ein", "de"),
        ("lines", ENGLISH, "Gib die Adresse\ndes Geräts ein", "de"),
        ("script", ENGLISH, "Enter device address 设备", "zh"),
        ("script", ENGLISH, "Gib die Adresse des Geräts ein", "ru"),
        ("script", ENGLISH, "12345 67890", "de"),
        ("identical", ENGLISH, ENGLISH.lower(), "de"),
        ("length ratio", ENGLISH, "Adresse", "de"),
        ("length ratio", "a b c d e", "Gib die Adresse des Geräts jetzt hier ein", "de"),
        ("copied", ENGLISH, "Enter die address of the device", "de"),
    ],
)
def test_each_reason_rejects(expected: str, text_a: str, text_b: str, language: str) -> None:
    assert reason(text_a, text_b, language) == expected


@pytest.mark.parametrize(
    ("name", "text_b"),
    [
        ("placeholder", "Gib die Adresse des {device} ein"),
        ("markup", "Gib **die Adresse** des Geräts ein"),
        ("url", "Gib die Adresse von example.com ein"),
        ("control", "Gib die\u200bAdresse des Geräts ein"),
        ("lines", "Gib die Adresse\ndes Geräts ein"),
    ],
)
def test_a_filter_that_is_left_out_rejects_nothing(name: str, text_b: str) -> None:
    others = [item for item in Cleaning().filters if item != name]
    assert reason(ENGLISH, text_b) == name
    assert reason(ENGLISH, text_b, rules=Cleaning(filters=others)) == ""


def test_limits_are_inclusive() -> None:
    rules = Cleaning(min_words=6, max_words=6, max_length_ratio=2.0)
    assert reason(ENGLISH, GERMAN, rules=rules) == ""
    assert reason("ab cd ef gh ij kl", "m" * 34, rules=rules) == ""
    assert reason("ab cd ef gh ij kl", "m" * 35, rules=rules) == "length ratio"


def test_joiners_are_spelling_in_persian_and_noise_in_german() -> None:
    assert not has_control("می\u200cخواهم", "fa")
    assert has_control("Ge\u200crät", "de")
    assert not has_control("two\nlines", "en")
    assert has_control("a\tb", "en")


def test_a_pivot_of_an_unspaced_script_is_measured_in_characters() -> None:
    rules = Cleaning(min_words=7, max_words=9)
    counted = [
        Cleaner(rules).reason(ParallelSegment("id", "src", "zh", "de", text, GERMAN, "doc"))
        for text in ("请输入地址。！", "请输入设备地址。！", "请在此输入设备的地址")
    ]
    assert counted == ["too short", "", "too long"]
