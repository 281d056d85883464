"""The entry point for Spaces."""

import runpy

import pytest


def test_the_program_is_what_spaces_expect(monkeypatch):
    monkeypatch.setenv("RERANKER_MAX_PICTURES", "7")
    app = runpy.run_path("app.py")
    assert app["services"].reranker.settings.limits.max_pictures == 7
    assert type(app["demo"]).__name__ == "Blocks"


def test_a_wrong_setting_is_one_sentence_and_exit_code_2(monkeypatch, capsys):
    monkeypatch.setenv("RERANKER_PORT", "many")
    with pytest.raises(SystemExit) as ended:
        runpy.run_path("app.py")
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "The setting “port” is “many” but must be a whole number from 1 to 65,535; correct it and start again.\n"
    )
