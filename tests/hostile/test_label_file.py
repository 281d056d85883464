"""The file of labels on a full disk, after a crash, and while another program writes it: no label is lost."""

from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from filelock import FileLock

from reranker.core.errors import DatasetInvalid, LabelFileBusy
from reranker.evaluation.datasets.loading import open_dataset
from reranker.labelling.label_file import LabelFile
from tests.support.label_page import labelling, marked
from tests.support.scripted_scorer import PATIENCE_S
from tests.support.shell import Shell
from tests.support.small_disk import full_beyond

ROUNDS = 80


@pytest.fixture
def path(folder) -> Path:
    return folder / "labels.jsonl"


@pytest.mark.parametrize("room_bytes", [0, 1, 30])
def test_a_full_disk_leaves_the_file_as_it_was(folder, path, room_bytes):
    file = LabelFile(path)
    file.add(marked(folder, "a cat", "a.png"))
    before = path.read_bytes()
    with full_beyond(len(before) + room_bytes):
        for action in (
            lambda: file.add(marked(folder, "a dog", "b.png")),
            lambda: file.change(1, "a cat", marked(folder, "a cat that does not fit any more" * 3, "b.png")),
        ):
            with pytest.raises(OSError, match="too large"):
                action()
            assert path.read_bytes() == before
    file.add(marked(folder, "a dog", "b.png"))
    assert [line.labelled.query for line in LabelFile(path).read()] == ["a cat", "a dog"]


def test_a_line_is_ended_or_not_together_with_the_next(folder, path):
    LabelFile(path).add(marked(folder, "a cat", "a.png"))
    without_end = path.read_bytes().removesuffix(b"\n")
    path.write_bytes(without_end)
    with full_beyond(len(without_end) + 1), pytest.raises(OSError, match="too large"):
        LabelFile(path).add(marked(folder, "a dog", "b.png"))
    assert path.read_bytes() == without_end


def test_the_page_says_that_nothing_was_saved(folder, path):
    page = labelling(folder)
    page.save({"query": "a cat", "relevant": ["a.png"]}, "en")
    with full_beyond(path.stat().st_size + 5):
        answer = page.save({"query": "a dog", "relevant": ["b.png"]}, "en")
    assert answer["status"]["text"].startswith("Nothing was saved: labels.jsonl could not be read or written")
    assert (answer["is_done"], [query["query"] for query in answer["queries"]]) == (False, ["a cat"])
    assert page.save({"query": "a dog", "relevant": ["b.png"]}, "en")["is_done"]


def _add_many(folder: Path, path: Path, start: Barrier) -> None:
    start.wait(PATIENCE_S)
    for number in range(ROUNDS):
        LabelFile(path).add(marked(folder, f"added {number}", "a.png"))


def _change_many(folder: Path, path: Path, start: Barrier) -> None:
    start.wait(PATIENCE_S)
    for number in range(ROUNDS):
        assert LabelFile(path).change(1, f"changed {number}", marked(folder, f"changed {number + 1}", "b.png"))


@pytest.mark.extended
def test_what_two_programs_write_at_once_is_kept(folder, path):
    LabelFile(path).add(marked(folder, "changed 0", "a.png"))
    spawn = get_context("spawn")
    start = spawn.Barrier(2)
    programs = [spawn.Process(target=write, args=(folder, path, start)) for write in (_add_many, _change_many)]
    for program in programs:
        program.start()
    for program in programs:
        program.join()
    assert [program.exitcode for program in programs] == [0, 0]
    queries = [line.labelled.query for line in LabelFile(path).read()]
    assert queries == [f"changed {ROUNDS}", *(f"added {number}" for number in range(ROUNDS))]


def test_a_lock_that_is_held_is_one_sentence(folder, path):
    LabelFile(path).add(marked(folder, "a cat", "a.png"))
    before = path.read_bytes()
    link = folder.parent / "link.jsonl"
    link.symlink_to(path)
    with FileLock(folder / ".labels.jsonl.lock"):
        for file in (LabelFile(path, lock_timeout_s=0), LabelFile(link, lock_timeout_s=0)):
            with pytest.raises(LabelFileBusy):
                file.add(marked(folder, "a dog", "a.png"))
            with pytest.raises(LabelFileBusy):
                file.change(1, "a cat", None)
        page = labelling(folder, lock_timeout_s=0)
        for answer in (
            page.save({"query": "a dog", "relevant": ["a.png"]}, "en"),
            page.remove({"line": 1, "saved_query": "a cat"}, "en"),
        ):
            assert answer["status"]["text"].startswith("“labels.jsonl” is being changed by another program")
    assert path.read_bytes() == before
    LabelFile(path, lock_timeout_s=0).add(marked(folder, "a dog", "a.png"))


def test_a_half_line_of_an_old_crash_is_named_with_its_number(folder, path, shell: Shell):
    LabelFile(path).add(marked(folder, "a cat", "a.png"))
    with path.open("ab") as file:
        file.write(b'{"query": "a dog", "pictures": ["a.p')
    before = path.read_bytes()
    for read in (LabelFile(path).read, lambda: open_dataset(str(path))):
        with pytest.raises(DatasetInvalid) as raised:
            read()
        assert [(fault.line, fault.reason) for fault in raised.value.faults] == [(2, "cut off")]
    done = shell("label", folder)
    assert (done.code, done.err.partition("; ")[2]) == (2, "delete the line, then write it again.\n")
    assert done.err.startswith("“labels.jsonl”, line 2: the line ends in the middle")
    assert path.read_bytes() == before
