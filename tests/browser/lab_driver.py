"""JupyterLab, started for the tests, and one notebook of it in headless Chromium."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, Dialog, Page, sync_playwright
from ports import free_port

from btviz.cli.jupyterlab import lab_environment

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
class Lab:
    """A running JupyterLab on a folder of notebooks."""

    port: int
    token: str
    folder: Path
    browser: Browser

    @contextmanager
    def notebook(self, name: str) -> Iterator[Notebook]:
        """Open a notebook in a workspace of its own, so that no earlier layout is restored."""
        page = self.browser.new_page(viewport={"width": 1280, "height": 1000})
        notebook = Notebook(page)
        page.on("pageerror", lambda error: notebook.errors.append(str(error)))
        page.on("dialog", notebook.dismiss)
        page.on("request", lambda request: notebook.requests.append(request.url))
        workspace = secrets.token_hex(4)
        page.goto(f"http://127.0.0.1:{self.port}/doc/workspaces/{workspace}/tree/{name}?reset&token={self.token}")
        page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
        yield notebook
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

    def run_all(self) -> None:
        """Run every cell, and come back when all have run."""
        self.wait_for_kernel()
        self.page.evaluate(RUN_ALL)

    def wait_for_kernel(self) -> None:
        """Come back once the kernel has started."""
        self.page.wait_for_function(
            "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'",
            timeout=60_000,
        )

    def ask(self, code: str) -> str:
        """What a statement prints in the kernel."""
        return str(self.page.evaluate(ASK, code))

    def save(self) -> None:
        """Save the notebook, widget state included."""
        self.page.evaluate("async () => window.jupyterapp.commands.execute('docmanager:save')")


@contextmanager
def running_lab(folder: Path, *, settings: Mapping[str, str]) -> Iterator[Lab]:
    """Start JupyterLab on `folder`, with a home of its own, and a browser beside it."""
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
        environment = {**lab_environment(), **settings, **_folders(home), "JUPYTER_RUNTIME_DIR": runtime}
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            _wait_for(f"http://127.0.0.1:{port}/api?token={token}", server)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS + SOFTWARE_WEBGL)
                yield Lab(port, token, folder, browser)
                browser.close()
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(timeout=30)


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
    deadline = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return
