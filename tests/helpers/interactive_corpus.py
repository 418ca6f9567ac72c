"""A small multi-parallel corpus in which every kind of demand finds material."""

from __future__ import annotations

from typing import Any

NOUNS = [
    ("username", "der Benutzername", "用户名"),
    ("password", "das Passwort", "密码"),
    ("address", "die Adresse", "地址"),
    ("location", "der Standort", "位置"),
    ("language", "die Sprache", "语言"),
    ("temperature", "die Temperatur", "温度"),
    ("schedule", "der Zeitplan", "日程"),
    ("battery", "die Batterie", "电池"),
    ("camera", "die Kamera", "摄像头"),
    ("sensor", "der Sensor", "传感器"),
    ("station", "der Bahnhof", "车站"),
    ("price", "der Preis", "价格"),
]
BRANDS = ["Zenvo", "Kaltura", "Mirabel", "Tornado", "Velux", "Sonora", "Pelican", "Quartz"]
DOCUMENTS = 6


def rows(split: str = "train", first: int = 0) -> list[dict[str, Any]]:
    """Returns aligned rows for ``zh`` and ``de``; ``first`` keeps two splits apart."""
    result = []
    for number in range(first, first + DOCUMENTS):
        brand = BRANDS[number % len(BRANDS)]
        for row, (english, german, chinese) in enumerate(NOUNS):
            triples = [
                (
                    f"Now enter the {english} of your {brand} device here.",
                    f"Gib jetzt {german} deines {brand} Geräts hier ein.",
                    f"现在请在此输入您的 {brand} 设备的{chinese}。",
                ),
                (
                    f"The {english} number {number} is wrong. Please check it again.",
                    f"Hier ist {german} Nummer {number} falsch. Bitte prüfe das erneut.",
                    f"第 {number} 号{chinese}有误。请再检查一次。",
                ),
                (
                    f"Show the new {english} on page {number} now.",
                    f"Jetzt {german} auf Seite {number} neu anzeigen.",
                    f"现在在第 {number} 页显示新的{chinese}。",
                ),
                (
                    f"Show the new {english} on page {number} quickly now.",
                    f"Jetzt {german} auf Seite {number} schnell neu anzeigen.",
                    f"现在在第 {number} 页快速显示新的{chinese}。",
                ),
                (
                    f"Show the new {english} on page {number} now.",
                    f"Jetzt {german} auf Blatt {number} neu anzeigen.",
                    f"现在在第 {number} 页呈现新的{chinese}。",
                ),
            ]
            for kind, (en, de, zh) in enumerate(triples):
                for language, text in (("de", de), ("zh", zh)):
                    result.append(
                        {
                            "id": f"toy/{language}/{split}/{number}/{row}/{kind}",
                            "source": "toy",
                            "lang_a": "en",
                            "lang_b": language,
                            "text_a": en,
                            "text_b": text,
                            "document": f"toy/{split}/{number}",
                            "split": split,
                        }
                    )
    return result
