"""JupyterLab, started for the tests, and one notebook of it in headless Chromium.

Whatever is waited for is a state of the page or of the kernel: nothing here counts on a time.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import patience
from playwright.sync_api import Browser, Dialog, Locator, Page, sync_playwright
from ports import free_port

from btviz.cli.lab import lab_environment

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SOFTWARE_WEBGL = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
"""Machines for tests have no graphics card."""
SETTINGS = {
    # Otherwise JupyterLab unloads cells that are scrolled out of sight.
    "@jupyterlab/notebook-extension/tracker": '{"windowingMode": "none"}',
    # The worst case: what the browser shares with the kernel goes into the saved notebook.
    "@jupyter-widgets/jupyterlab-manager/plugin": '{"saveState": true}',
}

RUN_ALL = "async () => { await window.jupyterapp.commands.execute('notebook:run-all-cells'); }"
SHUT_DOWN = "async () => { await window.jupyterapp.shell.currentWidget.sessionContext.shutdown(); }"
PLACE_OF = """([chart, wanted]) => {
  const marks = [...chart.querySelectorAll(".vega-embed svg path")].filter((path) => {
    const datum = path.__data__?.datum ?? {};
    return Object.entries(wanted).every(([name, value]) => datum[name] === value);
  });
  const box = marks.at(-1)?.getBoundingClientRect();
  if (!box) return false;
  const place = [box.x + box.width / 2, box.y + box.height / 2];
  const [stays, before] = [JSON.stringify(place), chart.dataset.place];
  chart.dataset.place = stays;  // asked anew with every frame
  return stays === before && place;
}"""
ASK = """async (code) => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const future = kernel.requestExecute({ code, store_history: false });
  let answer = "";
  future.onIOPub = ({ header, content }) => {
    if (header.msg_type === "stream") answer += content.text;
    if (header.msg_type === "error") answer += `${content.ename}: ${content.evalue}`;
  };
  await future.done;
  return answer.trim();
}"""


def chromium() -> str | None:
    """Path of an installed Chromium."""
    return next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


@dataclass(frozen=True)
class Server:
    """A running JupyterLab on a folder of notebooks."""

    port: int
    token: str
    folder: Path


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab, and a browser to open its notebooks in."""

    server: Server
    browser: Browser

    @property
    def folder(self) -> Path:
        """Where the notebooks are."""
        return self.server.folder

    @property
    def address(self) -> str:
        """Where the server listens."""
        return f"http://127.0.0.1:{self.server.port}"

    @property
    def own(self) -> tuple[str, ...]:
        """How the addresses begin that a page may ask: those of the server, and what it made of them itself."""
        return (f"{self.address}/", f"blob:{self.address}/")

    def new_page(self) -> Page:
        """An empty page, which waits for a state as long as it takes."""
        page = self.browser.new_page(viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(patience.PAGE_MILLISECONDS)
        return page

    @contextmanager
    def notebook(self, name: str) -> Iterator[Notebook]:
        """Open a notebook in a workspace of its own, so that no earlier layout is restored; end its kernel after."""
        page = self.new_page()
        notebook = Notebook(page)
        page.on("pageerror", lambda error: notebook.errors.append(str(error)))
        page.on("dialog", notebook.dismiss)
        page.on("request", lambda request: notebook.requests.append(request.url))
        workspace = secrets.token_hex(4)
        page.goto(f"{self.address}/doc/workspaces/{workspace}/tree/{name}?reset&token={self.server.token}")
        page.wait_for_selector(".jp-Notebook .jp-Cell")
        yield notebook
        page.evaluate(SHUT_DOWN)
        page.close()


@dataclass(eq=False)
class Notebook:
    """One notebook on the screen, and its kernel."""

    page: Page
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def dismiss(self, dialog: Dialog) -> None:
        """Close a dialog of the page and remember it: none belongs in these tests."""
        self.errors.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def run_all(self, **settings: object) -> None:
        """Run every cell, with these settings in the environment, and come back when all have run."""
        self.wait_for_kernel()
        self.ask(f"import os; os.environ.update({ {name: str(value) for name, value in settings.items()}!r})")
        self.page.evaluate(RUN_ALL)

    def wait_for_kernel(self) -> None:
        """Come back once the kernel has started."""
        self.page.wait_for_function(
            "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
        )

    def ask(self, code: str) -> str:
        """What a statement prints in the kernel."""
        return str(self.page.evaluate(ASK, code))

    def kernel(self, expression: str) -> Any:
        """Value of an expression in the kernel."""
        return json.loads(self.ask(f"import json; print(json.dumps({expression}))"))

    def comes_near(self, expression: str, wanted: Sequence[float], *, within: float) -> Sequence[float]:
        """Wait until the numbers of an expression in the kernel, which may be null so far, are near those wanted."""
        deadline = time.monotonic() + patience.PAGE_MILLISECONDS / 1000
        while True:
            found = self.kernel(expression)
            if found is not None and all(abs(a - b) < within for a, b in zip(found, wanted, strict=True)):
                return found
            assert time.monotonic() < deadline, f"{expression} is {found}, not near {wanted}"
            self.page.wait_for_timeout(100)

    def click_mark(self, chart: Locator, **datum: object) -> None:
        """Click the mark of a chart that stands for these values, once it is there and stays in its place."""
        chart.scroll_into_view_if_needed()
        place = self.page.wait_for_function(PLACE_OF, arg=[chart.element_handle(), datum]).json_value()
        self.page.mouse.click(*place)

    def save(self) -> None:
        """Save the notebook, widget state included."""
        self.page.evaluate("async () => window.jupyterapp.commands.execute('docmanager:save')")


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Start Chromium."""
    with sync_playwright() as playwright:
        options = {"executable_path": chromium(), "args": FLAGS + SOFTWARE_WEBGL, "timeout": patience.PAGE_MILLISECONDS}
        browser = playwright.chromium.launch(**options)
        yield browser
        browser.close()


@contextmanager
def running_server(folder: Path) -> Iterator[Server]:
    """Start JupyterLab on `folder`, with a home of its own."""
    home = folder / ".home"
    _settings(home)
    token, port = secrets.token_hex(8), free_port()
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}"]
    command += [
        f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={folder}",
        "--LabApp.expose_app_in_browser=True",
        "--KernelManager.transport=ipc",  # a port picked for a kernel can be taken before the kernel binds it
    ]
    with (home / "lab.log").open("w") as log, tempfile.TemporaryDirectory(prefix="lab-") as runtime:
        environment = {**lab_environment(), **_folders(home), "JUPYTER_RUNTIME_DIR": runtime}
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            _wait_for(f"http://127.0.0.1:{port}/api?token={token}", server)
            yield Server(port, token, folder)
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(timeout=patience.SECONDS)


def _folders(home: Path) -> dict[str, str]:
    return {
        "HOME": str(home),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "IPYTHONDIR": str(home / "ipython"),
    }


def _settings(home: Path) -> None:
    for name, content in SETTINGS.items():
        path = home / "config" / "lab" / "user-settings" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True)
        path.write_text(content)


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + patience.SECONDS
    while True:
        try:
            urllib.request.urlopen(url, timeout=patience.SECONDS).close()
        except OSError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return
