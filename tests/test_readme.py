"""The README's lines to type: commands and options that exist, and files that are there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from btviz.cli import app

ROOT = Path(__file__).parents[1]

README = (ROOT / "README.md").read_text(encoding="utf-8")

LINES = sorted(set(re.findall(r"`(btviz [a-z][^`]+)`", README)))


@pytest.mark.parametrize("line", LINES)
def test_a_line_to_type_names_a_command_and_options_that_there_are(line: str):
    words = shlex.split(line.replace("...", ""))[1:]
    command: click.Command = app
    while isinstance(command, click.Group):
        assert words[0] in command.commands, line
        command = command.commands[words.pop(0)]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {word.partition("=")[0] for word in words if word.startswith("-")} <= known, line


def test_lines_are_found():
    assert len(LINES) > 25


PAGES = ["README.md", "CONTRIBUTING.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES)
def test_links_between_pages_lead_somewhere(page: str):
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert [link for link in links if link and not (ROOT / page).parent.joinpath(link).exists()] == []
