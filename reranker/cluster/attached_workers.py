"""The workers of another process of this program, for a replica of its server."""

from dataclasses import dataclass
from typing import Any

from reranker.cluster.placement import Slot
from reranker.cluster.ray_connection import connect
from reranker.cluster.ray_workers import RayWorker, RayWorkers
from reranker.core.errors import WorkerNotStarted


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """Where the workers of a process are. It can be pickled.

    address: of its Ray. local: whether that was started for this program alone. namespace, prefix: of the names of the
    actors.
    """

    address: str
    local: bool
    namespace: str
    prefix: str


class AttachedWorkers(RayWorkers):
    """Workers that another process starts, replaces and ends; this one gives them batches, too."""

    def __init__(self, attachment: Attachment) -> None:
        super().__init__(workers="auto", address=attachment.address, device="auto")
        self._attachment, self.prefix = attachment, attachment.prefix

    def _connect(self) -> None:
        attachment = self._attachment
        connect(attachment.address, local=attachment.local, namespace=attachment.namespace)

    def _slots(self) -> list[Slot]:
        """Return a place for each worker that there is now, by its name."""
        import ray  # noqa: PLC0415 - an optional package

        names = [name for name in ray.util.list_named_actors() if name.startswith(self.prefix)]
        return [_slot(name.removeprefix(self.prefix)) for name in sorted(names)]

    def _actor(self, slot: Slot, name: str) -> Any:
        import ray  # noqa: PLC0415

        try:
            return ray.get_actor(self.prefix + slot.name)
        except ValueError as error:
            raise WorkerNotStarted(machine=slot.machine, reason="it ended") from error

    def _end(self, worker: RayWorker) -> None:
        """Leave the process to its owner."""


def attachment_of(workers: RayWorkers) -> Attachment:
    """Return where the workers of this process are, once they have started."""
    import ray  # noqa: PLC0415

    context = ray.get_runtime_context()
    return Attachment(
        address=context.gcs_address, local=workers.is_local, namespace=context.namespace, prefix=workers.prefix
    )


def _slot(name: str) -> Slot:
    """Return the place of a worker of this name, which it alone has ever taken."""
    return Slot(node=name, number=0, on_gpu=False, processors=0, machine=name, name=name, threads=1)
