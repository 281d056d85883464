"""Label the pictures of a session in a thread of its own, and tell the session how far it is.

The work goes on whether a browser is connected or not.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any, Final

from reranker.core.cancellation import Cancellation
from reranker.core.errors import PictureSkipped, RerankerError
from reranker.core.scores import memory_text
from reranker.core.types import Failed
from reranker.pipelines.tag import Tagged, TaggingRun
from reranker.server.error_responses import log_unexpected
from reranker.tagger import Tagger
from reranker.ui.background_progress import poll_progress
from reranker.ui.labels_tab.label_records import DECIMALS, Outcome, TaggingHeader
from reranker.ui.session.jobs import REPORT_INTERVAL_S, pace
from reranker.ui.session.records import Picture, RankingHeader, Results, sentences
from reranker.ui.session.session import Session

NO_LABELS: Final[Mapping[int, Picture]] = {}


class TaggingJob:
    """Labels pictures by one vocabulary.

    pictures: all that should have labels in the end. remaining: those that have none yet, if the earlier labels are of
    the same judge; if they are not, all pictures are judged. None to judge all in any case. clock: seconds that never
    run backwards.
    """

    def __init__(
        self,
        session: Session,
        tagger: Tagger,
        header: TaggingHeader,
        pictures: Sequence[Picture],
        remaining: Sequence[Picture] | None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session, self._tagger, self._header, self._clock = session, tagger, header, clock
        self._all, self._remaining = pictures, remaining
        self._pictures = pictures if remaining is None else remaining
        self._cancellation, self._started_s = Cancellation(), clock()
        self._tagging: TaggingRun[Any] | None = None
        self._done, self._name, self._was_skipped, self._has_begun = 0, "", False, False
        self._found: dict[str, Outcome] = {}
        self._reporting = threading.Lock()

    @property
    def results(self) -> dict[str, tuple[RankingHeader, Results]]:
        """The rankings that it writes: none."""
        return {}

    def missing(self, id_: str) -> Mapping[int, Picture]:
        """Return the pictures without a result in one of its rankings, of which there are none."""
        return NO_LABELS

    def start(self) -> None:
        """Start the thread. Raises `RunActive` if the session has a job."""
        self._session.start_job(self)
        is_loaded = self._tagger.reranker.is_loaded
        self._show(loading=None if is_loaded else 0.0, preparing=is_loaded)
        threading.Thread(target=self._run, name="reranker-tagging", daemon=True).start()

    def stop(self) -> None:
        """Stop before the next picture. Returns at once."""
        self._cancellation.cancel()
        self._show()

    def _run(self) -> None:
        error: RerankerError | None = None
        try:
            self._load()
            if not self._cancellation.cancelled:
                self._label()
        except RerankerError as expected:
            error = expected
        except Exception as unexpected:
            log_unexpected(unexpected, "labels of the page")
            error = RerankerError()
        finally:
            self._end(error)

    def _load(self) -> None:
        """Load the models and the vectors of the labels. Raises `CheckpointError` and other errors of the models."""
        reranker = self._tagger.reranker
        for share in poll_progress(reranker.load, lambda: reranker.loaded_share):
            self._show(loading=share)
        for _ in poll_progress(self._prepare, lambda: 0.0):
            self._show(preparing=True)

    def _prepare(self) -> None:
        self._tagging = self._tagger.run()

    def _label(self) -> None:
        """Raises the errors of the run."""
        assert self._tagging is not None
        self._begin(self._tagging)
        self._started_s = self._clock()
        ended = threading.Event()
        reporter = threading.Thread(target=self._keep_reporting, args=(ended,), name="reranker-report", daemon=True)
        reporter.start()
        try:
            candidates = [picture.candidate for picture in self._pictures]
            with closing(self._tagging.run(candidates, self._cancellation)) as stream:
                for result in stream:
                    self._add(result)
        finally:
            ended.set()
            reporter.join()

    def _begin(self, run: TaggingRun[Any]) -> None:
        """Let the earlier labels go, unless the same judge has found them by the same vocabulary."""
        labels, tagger = self._session.picture_labels, self._tagger
        info = tagger.reranker.load().info
        judge = f"{info.fingerprint} {tagger.encoder_name} {tagger.reranker.settings.model.detail}"
        before = labels.header
        is_same = (
            before is not None and before.judge == judge and before.vocabulary.digest == self._header.vocabulary.digest
        )
        if not is_same:
            self._pictures = self._all
        self._header = replace(
            self._header,
            calibration=run.calibration,
            judge=judge,
            model=tagger.reranker.model_name,
            encoder=tagger.encoder_shown,
            total=len(self._pictures),
        )
        labels.begin(self._header, keeps_results=is_same and self._remaining is not None)
        self._has_begun = True

    def _add(self, result: Tagged | Failed) -> None:
        picture = self._pictures[result.position]
        if isinstance(result, Failed) and isinstance(result.error, PictureSkipped):
            self._was_skipped = True
            return
        if isinstance(result, Failed):
            outcome = Outcome(error=result.error)
        else:
            rounded = {key: round(confidence, DECIMALS) for key, confidence in result.confidences.items()}
            outcome = Outcome(confidences=rounded)
        with self._reporting:
            self._found[picture.id] = outcome
            self._done += 1
            self._name = result.candidate.name

    def _keep_reporting(self, ended: threading.Event) -> None:
        """Report at intervals, in a thread of its own: the stream may not give anything for long."""
        while not ended.wait(REPORT_INTERVAL_S):
            try:
                self._report()
            except Exception as error:  # the results are reported at the end
                log_unexpected(error, "the progress of labels")

    def _report(self) -> None:
        with self._reporting:
            found, self._found = self._found, {}
        self._session.picture_labels.add(self._header.id, found)
        self._show()

    def _end(self, error: RerankerError | None) -> None:
        try:
            if self._has_begun:
                self._report()
                state = "failed" if error else "stopped" if self._was_skipped else "done"
                reason = None if error is None else sentences(error)
                seconds = self._clock() - self._started_s
                self._session.picture_labels.end(replace(self._header, state=state, seconds=seconds, error=reason))
            elif error is not None:
                self._session.picture_labels.put_problem(sentences(error))
        finally:
            self._session.end_job()

    def _show(self, *, loading: float | None = None, preparing: bool = False) -> None:
        total = len(self._pictures)
        self._session.show_job(
            {
                "rankings": [],
                "current": None,
                "tagging": self._header.id,
                "done": self._done,
                "total": total,
                "name": self._name,
                **pace(self._done, total, self._clock() - self._started_s),
                "place": self._tagging.queue_position if self._tagging else None,
                "loading": loading,
                "preparing": preparing,
                "coarse": None,
                "stopping": self._cancellation.cancelled,
                "memory": self._memory(),
            }
        )

    def _memory(self) -> str | None:
        reranker = self._tagger.reranker
        memory = reranker.load().device_memory if reranker.is_loaded else None
        return None if memory is None else memory_text(*memory)
