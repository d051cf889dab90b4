"""Where data, stores and figures live: argument, then environment variable, then default."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import platformdirs

DATA_DIR_VARIABLE = "BTVIZ_DATA_DIR"


def data_dir(override: str | os.PathLike[str] | None = None) -> Path:
    """Folder that holds adopted data, caches and stores.

    Parameters
    ----------
    override : path-like, optional
        Wins over everything else.

    Returns
    -------
    Path
        `override`, else ``$BTVIZ_DATA_DIR``, else ``data/`` of the checkout that btviz is
        installed from, else the user's data folder. It is not created here.
    """
    chosen = override or os.environ.get(DATA_DIR_VARIABLE)
    if chosen:
        return expanded(chosen)
    checkout = _checkout()
    return checkout / "data" if checkout else platformdirs.user_data_path("btviz", appauthor=False)


def expanded(path: str | os.PathLike[str]) -> Path:
    """Path with the user's folder in place of a leading ``~``; a name after it that nobody has stays as it is.

    Parameters
    ----------
    path : path-like
        As it was given.

    Returns
    -------
    Path
        Whether there is something is not looked at.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:  # nobody is called so
        return Path(path)


def figures_dir(override: str | os.PathLike[str] | None = None) -> Path:
    """Folder that figures are written to: `override`, else ``figures/`` where you stand.

    Parameters
    ----------
    override : path-like, optional
        Wins over the default.

    Returns
    -------
    Path
        It is not created here.
    """
    return expanded(override) if override else Path("figures")


def notebooks_dir() -> Path | None:
    """Folder of the notebooks that are worked in: the checkout's, else None where only the package is installed.

    Returns
    -------
    Path or None
        Where ``make lab`` opens.
    """
    checkout = _checkout()
    return checkout / "notebooks" if checkout else None


def released_notebooks() -> list[Path]:
    """Notebooks that came with the package: the checkout's, or those that were installed beside it.

    Returns
    -------
    list of Path
        In the order of their names; empty where neither is there.
    """
    if (own := notebooks_dir()) is not None:
        return sorted(own.glob("*.ipynb"))
    try:
        installed = distribution("btviz").files or []
    except PackageNotFoundError:
        return []
    shared = [Path(str(file.locate())) for file in installed if file.match("share/btviz/notebooks/*.ipynb")]
    return sorted(path.resolve() for path in shared if path.is_file())


def _checkout() -> Path | None:
    root = Path(__file__).resolve().parents[2]
    return root if (root / "pyproject.toml").is_file() and (root / "notebooks").is_dir() else None
