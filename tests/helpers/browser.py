"""Headless Chromium: a page as it stands after its scripts ran, its console, a picture of it."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)
NO_BROWSER = "no Chromium (Debian: apt install chromium)"
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--enable-logging=stderr",
]  # fmt: skip
PICTURES = ("--screenshot", "--print-to-pdf")
"""Options that make a file of a page instead of printing its elements."""
WINDOW = "--window-size=1400,1000"
SECONDS = 120
FIND = """((text, within) => {
  const parts = "a, button, summary, label, select, input, textarea, th, td";
  const named = (one) => [one.textContent.trim(), one.placeholder, one.getAttribute("aria-label")];
  const fits = (one) => named(one).includes(text)
    && one.parentElement.textContent.trim().startsWith(within)
    && one.checkVisibility({ visibilityProperty: true }) && !one.disabled;
  const one = [...document.querySelectorAll(parts)].find(fits);
  if (!one) return null;
  one.scrollIntoView({ block: "center" });
  const { left, top, width, height } = one.getBoundingClientRect();
  const [x, y] = [left + width / 2, top + height / 2];
  const hit = document.elementFromPoint(x, y);
  return hit && (one.contains(hit) || hit.contains(one)) ? [x, y] : null;
})"""
"""Finds what a text names and can be pressed: the place of its middle, or nothing."""


class Press(str):
    """A step of ``Browser.evaluate``: a click of the mouse on what shows this text, once it does.

    ``within`` is how the text around it begins, where several things show the same.
    """

    within: str

    def __new__(cls, text: str, within: str = "") -> Press:
        """Returns the step."""
        made = super().__new__(cls, text)
        made.within = within
        return made


class Type(str):
    """A step of ``Browser.evaluate``: this text, written where the cursor is."""


def browse(
    address: str, profile: Path, *more: str, milliseconds: int = 3000
) -> tuple[str, list[str]]:
    """Returns a page's elements as text and the lines of the browser's console.

    Args:
        address: of the page.
        profile: folder of the browser's own files; use a new one for a fresh browser.
        more: further options, such as ``--print-to-pdf=FILE``, which prints no elements.
        milliseconds: of the page's own clock until it is looked at.
    """
    assert BROWSER is not None
    what = more if any(option.startswith(PICTURES) for option in more) else ["--dump-dom", *more]
    budget = f"--virtual-time-budget={milliseconds}"
    done = subprocess.run(
        [BROWSER, *FLAGS, budget, f"--user-data-dir={profile}", *what, address],
        capture_output=True, text=True, timeout=SECONDS, check=True,
    )  # fmt: skip
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


class Browser:
    """A browser that stays open, for pages that load piece by piece from a server.

    It is told what to do through its DevTools, which speak HTTP and a WebSocket.

    Args:
        profile: an empty folder for the browser's own files.
    """

    def __init__(self, profile: Path) -> None:
        assert BROWSER is not None
        port = profile / "DevToolsActivePort"
        options = ["--remote-debugging-port=0", f"--user-data-dir={profile}", WINDOW]
        self._process = subprocess.Popen(
            [BROWSER, *FLAGS, *options, "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        end = time.monotonic() + SECONDS
        while not port.exists() or not port.read_text().strip():
            assert time.monotonic() < end and self._process.poll() is None, "no browser"
            time.sleep(0.1)
        self._address = f"http://127.0.0.1:{port.read_text().split()[0]}"

    def close(self) -> None:
        """Ends the browser and all its processes."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def wait_for(self, address: str, wanted: Sequence[str], picture: Path | None = None) -> str:
        """Opens a page and returns its elements as text once it shows all that is wanted.

        Args:
            address: of the page.
            wanted: texts that must be there; the browser looks until they are.
            picture: where a picture of the page goes.
        """
        return asyncio.run(self._wait_for(address, wanted, picture))

    def evaluate(
        self, address: str, *scripts: str, size: tuple[int, int], picture: Path | None = None
    ) -> list[Any]:
        """Opens a page and returns what each script gives in it, one after the other.

        Args:
            address: of the page.
            scripts: expressions; of a promise, what it gives. Its values must be JSON. Or steps
                of a hand: ``Press``, which gives where the mouse was, and ``Type``.
            size: width and height of the window in pixels of CSS.
            picture: where a picture of the window goes at the end.
        """
        return asyncio.run(self._evaluate(address, scripts, size, picture))

    async def _evaluate(
        self, address: str, scripts: Sequence[str], size: tuple[int, int], picture: Path | None
    ) -> list[Any]:
        async with aiohttp.ClientSession() as session:
            async with session.put(f"{self._address}/json/new?about:blank") as answer:
                page = await answer.json()
            async with session.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0) as tab:
                window = {"width": size[0], "height": size[1], "deviceScaleFactor": 1}
                shape = {**window, "mobile": size[0] < 600}
                await _ask(tab, "Emulation.setDeviceMetricsOverride", shape)
                asked = {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
                await _ask(tab, "Browser.grantPermissions", asked)
                await _ask(tab, "Page.navigate", {"url": address})
                results = [await _value_of(tab, script) for script in scripts]
                if picture is not None:
                    data = (await _ask(tab, "Page.captureScreenshot", {}))["data"]
                    picture.write_bytes(base64.b64decode(data))
            async with session.get(f"{self._address}/json/close/{page['id']}"):
                return results

    async def _wait_for(self, address: str, wanted: Sequence[str], picture: Path | None) -> str:
        async with aiohttp.ClientSession() as session:
            place = f"{self._address}/json/new?{quote(address, safe='')}"
            async with session.put(place) as answer:
                page = await answer.json()
            async with session.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0) as tab:
                shown = await _shown(tab, address, wanted)
                if picture is not None:
                    data = (await _ask(tab, "Page.captureScreenshot", {}))["data"]
                    picture.write_bytes(base64.b64decode(data))
            async with session.get(f"{self._address}/json/close/{page['id']}"):
                return shown


async def _ask(tab: Any, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Sends one command to a page and returns its result."""
    await tab.send_json({"id": 1, "method": method, "params": parameters})
    while True:
        answer = await tab.receive_json(timeout=SECONDS)
        if answer.get("id") == 1:
            return dict(answer["result"])


async def _pressed(tab: Any, what: Press) -> Any:
    """Clicks on what shows a text, as a hand does: where another thing lies above it, it fails."""
    told = f"{json.dumps(what)}, {json.dumps(what.within)}"
    end = time.monotonic() + SECONDS / 4
    while (place := await _value_of(tab, f"{FIND}({told})")) is None:
        assert time.monotonic() < end, f"nothing to press shows {told}"
        await asyncio.sleep(0.05)
    mouse = {"x": place[0], "y": place[1], "button": "left", "clickCount": 1}
    for event in ("mousePressed", "mouseReleased"):
        await _ask(tab, "Input.dispatchMouseEvent", {"type": event, **mouse})
    return place


async def _value_of(tab: Any, script: str) -> Any:
    """Returns what an expression gives in a page; a fault in it fails the test."""
    if isinstance(script, Press):
        return await _pressed(tab, script)
    if isinstance(script, Type):
        return await _ask(tab, "Input.insertText", {"text": script})
    asked = {"expression": script, "awaitPromise": True, "returnByValue": True}
    answer = await _ask(tab, "Runtime.evaluate", asked)
    assert "exceptionDetails" not in answer, answer
    return answer["result"].get("value")


async def _shown(tab: Any, address: str, wanted: Sequence[str]) -> str:
    # A page that is just opened has no element yet.
    expression = {"expression": "document.documentElement?.outerHTML ?? ''"}
    end = time.monotonic() + SECONDS
    while True:
        shown = str((await _ask(tab, "Runtime.evaluate", expression))["result"].get("value", ""))
        missing = [text for text in wanted if text not in shown]
        if not missing:
            return shown
        assert time.monotonic() < end, f"{address} does not show {missing}: {shown[-2000:]}"
        await asyncio.sleep(0.3)
