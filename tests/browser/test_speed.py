"""How long the page takes with many pictures: `pytest -m slow -s tests/browser/test_speed.py` prints a table.

Nothing is asserted about times, as machines differ; docs/performance.md has the figures of one.
"""

import sys
import time
from pathlib import Path
from random import Random

import pytest

from reranker import Reranker
from reranker.toybox.drawing import draw_scene
from reranker.toybox.scenes import Item, arrange_scene

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.extended]

COLOURS, THINGS = ("red", "blue", "black", "yellow"), ("house", "car", "cat", "ball")
# Run an action in the page, and return the milliseconds until a condition holds, as seen at once and after each change.
TIMED = """([action, condition]) => new Promise((resolve) => {
  const started = performance.now(), holds = new Function(`return (${condition})`);
  const observer = new MutationObserver(check);
  function check() {
    if (!holds()) return;
    observer.disconnect();
    requestAnimationFrame(() => resolve(performance.now() - started));
  }
  observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
  new Function(action)();
  check();
})"""
RANK = "document.querySelector('#rank').click()"
IS_BUSY = "document.querySelector('#rank').getAttribute('aria-disabled') === 'true'"
HAS_ENDED = (
    "document.querySelector('.headline-title').innerText === '{query}' && document.querySelector('#stop').hidden \
&& document.querySelectorAll('.card[data-key]').length > 2 && !("
    + IS_BUSY
    + ")"
)


def draw(folder: Path, count: int) -> list[Path]:
    paths = [folder / f"scene_{index:04}.png" for index in range(count)]
    for index, path in enumerate(paths):
        random = Random(index)
        item = Item(thing=random.choice(THINGS), colour=random.choice(COLOURS))
        draw_scene(arrange_scene((item,), "grass", random)).save(path)
    return paths


def renderer_mb(browser_pids: set[int]) -> float:
    """The largest proportional set size of a renderer process that was not there before, in megabytes."""
    sizes = [0.0]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if b"--type=renderer" in (process / "cmdline").read_bytes() and int(process.name) not in browser_pids:
                rollup = (process / "smaps_rollup").read_text().split()
                sizes.append(int(rollup[rollup.index("Pss:") + 1]) / 1000)
        except (OSError, ValueError):
            continue
    return max(sizes)


def seconds_of_python(reranker: Reranker, query: str, paths: list[Path]) -> float:
    started = time.perf_counter()
    reranker.rank(query, paths)
    return time.perf_counter() - started


@pytest.mark.parametrize("count", [24, 300, 1000])
def test_many_pictures(serve, visit, tmp_path: Path, count: int) -> None:
    reranker, paths = Reranker("toybox"), draw(tmp_path, count)
    before = {int(each.name) for each in Path("/proc").glob("[0-9]*")}
    tab = visit(serve(reranker), viewport={"width": 1440, "height": 900})
    tab.page.set_default_timeout(600_000)
    figures = {}

    started = time.perf_counter()
    tab.page.locator("#choose-files").set_input_files(paths)
    tab.count(count)
    figures["upload, s"] = time.perf_counter() - started

    def rank(query: str) -> float:
        tab.page.locator("#query").fill(query)
        started = time.perf_counter()
        tab.page.evaluate(TIMED, [RANK, IS_BUSY])  # first, as the ended ranking may have the same sentence
        tab.page.evaluate(TIMED, ["", HAS_ENDED.replace("{query}", query)])
        return time.perf_counter() - started

    figures["first ranking, s"] = rank("a red house")
    figures["cached features, s"] = rank("a blue car")
    figures["the same in Python, s"] = seconds_of_python(reranker, "a black cat", paths)
    figures["stored scores, s"] = rank("a red house")
    figures["stored in Python, s"] = seconds_of_python(reranker, "a red house", paths)
    tab.page.locator("#query").fill("a yellow ball")
    figures["feedback to Rank, ms"] = tab.page.evaluate(TIMED, [RANK, IS_BUSY])
    tab.ended()
    switch = "[...document.querySelectorAll('.languages button')].find((one) => one.innerText === '中文').click()"
    is_chinese = "document.querySelector('#rank').innerText === '排序'"
    figures["language, ms"] = tab.page.evaluate(TIMED, [switch, is_chinese])
    tab.page.locator(".manage").click()
    tab.page.locator(".manage-grid .cell").first.wait_for()
    remove = "document.querySelector('.manage-grid .cell-remove').click()"
    is_removed = f"(document.querySelector('.reranker-app').dataset.count | 0) === {count - 1}"
    figures["remove one, ms"] = tab.page.evaluate(TIMED, [remove, is_removed])
    figures["tab, MB"] = renderer_mb(before)
    figures["elements"] = tab.page.evaluate("document.querySelectorAll('*').length")
    sys.stdout.write(
        f"\n{count} pictures: " + ", ".join(f"{name} {value:.1f}" for name, value in figures.items()) + "\n"
    )
