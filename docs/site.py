"""What mkdocs takes into the site: the pages of the whole repository, each under its own path."""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
PAGES = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "docs/*.md",
    "sweeps/*.md",
    "mpt/backbone/mini/README.md",
)
LINK = re.compile(r"\]\(([^)#:\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Return the pages, the files that they link to, and what the theme brings.

    mkdocs itself looks into one folder alone, and links from there to the rest would be broken.
    """
    pages = [path for pattern in PAGES for path in sorted(ROOT.glob(pattern))]
    linked = {path for page in pages for path in _linked_files(page)}
    paths = [path.relative_to(ROOT).as_posix() for path in [*pages, *sorted(linked - {*pages})]]
    own = [
        File(path, str(ROOT), config.site_dir, use_directory_urls=config.use_directory_urls)
        for path in paths
    ]
    theirs = [file for file in files if file.abs_src_path is None or not _is_in_docs(file)]
    return Files([*own, *theirs])


def _is_in_docs(file: File) -> bool:
    return Path(str(file.abs_src_path)).is_relative_to(ROOT / "docs")


def _linked_files(page: Path) -> set[Path]:
    """Return the files of the repository that a page links to; a broken link is left to mkdocs."""
    links = LINK.findall(page.read_text(encoding="utf-8"))
    targets = {(page.parent / link).resolve() for link in links}
    return {path for path in targets if path.is_file() and path.is_relative_to(ROOT)}
