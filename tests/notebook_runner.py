"""Executes a notebook, in this process or as a program.

The kernel talks over Unix sockets. Over TCP its ports are picked, released, and bound again a second
later by the kernel: another test's connection may have taken one of them by then, and the kernel dies.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import nbformat
import patience
from nbclient import NotebookClient
from nbclient.output_widget import OutputWidget
from traitlets.config import Config


class Client(NotebookClient):
    """Runs notebooks in which a progress bar is drawn by a thread of its own while the cell writes, too.

    Both enter and leave one output area, in any order; a browser minds that as little as this client does.
    """

    def remove_output_hook(self, msg_id: str, hook: OutputWidget) -> None:
        """Take off the hook that is named, wherever it lies."""
        if hook in self.output_hook_stack[msg_id]:
            self.output_hook_stack[msg_id].remove(hook)


def execute(notebook: nbformat.NotebookNode, *, timeout: float = patience.SECONDS) -> nbformat.NotebookNode:
    """Run every cell of a notebook, keeping the state of its widgets."""
    with tempfile.TemporaryDirectory(prefix="kernel-") as folder:  # a socket's path holds about 100 characters
        sockets = Config({"AsyncKernelManager": {"transport": "ipc", "ip": f"{folder}/socket"}})
        client = Client(notebook, config=sockets, kernel_name="python3", timeout=timeout, store_widget_state=True)
        return client.execute()


def with_cells(notebook: nbformat.NotebookNode, *sources: str) -> nbformat.NotebookNode:
    """A copy of a notebook with more cells after its own, which may import what tests share."""
    copy = nbformat.from_dict(notebook)
    start = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
    copy.cells = [*notebook.cells, *(nbformat.v4.new_code_cell(start + source) for source in sources)]
    return copy


def printed(notebook: nbformat.NotebookNode) -> str:
    """Everything that the cells of an executed notebook have printed."""
    return "".join(out.get("text", "") for cell in notebook.cells for out in cell.get("outputs", ()))


if __name__ == "__main__":
    execute(nbformat.read(Path(sys.argv[1]), as_version=4))
