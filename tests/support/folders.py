"""Folders that the system refuses to list."""

import os

import pytest


def close_folder(monkeypatch: pytest.MonkeyPatch, closed: str) -> None:
    """Let the system refuse to list a folder; permissions would not do for tests that run as root."""
    scandir = os.scandir

    def refuse(path: str) -> object:
        if path == closed:
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
