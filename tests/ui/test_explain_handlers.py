"""A picture's score, explained on request."""

from tests.support.page_handlers import card_source, history_after, page_handlers, pressed, scripted_page
from tests.support.scripted_scorer import ScriptedScorer, number
from tests.support.visitor import visitor


def test_choosing_looks_up_what_was_shown(upload_folder, numbers):
    page = scripted_page(ScriptedScorer(judge=number), upload_folder)
    history = history_after(page, "cat", numbers)
    src = card_source(page, history, 1)
    chosen = page.explain_handlers.choose(history, pressed("choose", tab=0, src=src), visitor())
    assert (chosen["title"], chosen["rows"][0]) == ("#2 · 1.5.png", ["Score, 0 to 10", "8.2"])
    for tab, other in ((0, "/etc/passwd"), (0, None), (1, src), (None, src), (0, [src])):
        assert page.explain_handlers.choose(history, pressed("choose", tab=tab, src=other), visitor()) is None


def test_one_picture_is_asked_why_and_for_the_models_own_words(upload_folder, toybox, drawings):
    uploaded = [upload_folder / path.name for path in drawings]
    for path, source in zip(uploaded, drawings, strict=True):
        path.write_bytes(source.read_bytes())
    page = page_handlers(toybox, upload_folder)
    history = history_after(page, "a blue car and a tree", list(map(str, uploaded)))
    place = {"tab": 0, "src": card_source(page, history, 0)}
    panel = page.explain_handlers.choose(history, pressed("choose", **place), visitor())
    busy, why = page.explain_handlers.explain(history, panel, pressed("why", **place), visitor())
    assert (busy["busy"], why["busy"], busy["trouble"]) == (True, False, "Running the model …")
    assert [part["text"] for part in why["why"]["parts"]] == ["a blue car", "a tree"]
    assert why["why"]["parts"][0]["value"] > why["why"]["parts"][1]["value"]
    drops = why["why"]["where"]["drops"]
    assert {len(row) for row in drops} == {4} == {len(drops)}
    *_, both = page.explain_handlers.explain(history, why, pressed("words", **place), visitor("zh-CN"))
    assert both["words"].startswith("Score: ")
    assert both["why"] == why["why"]


def test_asking_of_what_is_not_shown_any_more_does_nothing(upload_folder, numbers):
    page = scripted_page(ScriptedScorer(judge=number), upload_folder)
    history = history_after(page, "cat", numbers)
    src = card_source(page, history, 0)
    panel = page.explain_handlers.choose(history, pressed("choose", tab=0, src=src), visitor())
    again = history_after(page, "dog", numbers, history)
    for known, held, other in ((again, panel, src), (history, None, src), (history, panel, "/etc/passwd")):
        (answer,) = page.explain_handlers.explain(known, held, pressed("why", tab=0, src=other), visitor())
        assert "src" not in answer


def test_a_picture_that_is_gone_when_it_is_asked_of_is_a_sentence(upload_folder, toybox, drawings):
    gone = upload_folder / "gone.png"
    gone.write_bytes(drawings[0].read_bytes())
    page = page_handlers(toybox, upload_folder)
    history = history_after(page, "a red house", [str(gone), str(gone)])
    place = {"tab": 0, "src": card_source(page, history, 0)}
    panel = page.explain_handlers.choose(history, pressed("choose", **place), visitor())
    gone.unlink()
    *_, told = page.explain_handlers.explain(history, panel, pressed("why", **place), visitor())
    assert told["trouble"].startswith("“gone.png” was not found")
    assert str(upload_folder) not in told["trouble"]
