import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError

import pytest

from inference.serving import batching
from inference.serving.batching import BatchQueue, QueueFull, Worker


class Model:
    """Doubles numbers, one batch for each permission, and keeps what it was given."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.began = threading.Semaphore(0)
        self.may_go_on = threading.Semaphore(0)
        self.worker: Worker

    def run(self, values: Sequence[int]) -> list[int]:
        self.batches.append(list(values))
        self.began.release()
        assert self.may_go_on.acquire(timeout=10)
        return [2 * value // (value != 13) for value in values]  # 13 fails

    def let_go(self, batches: int = 1000) -> None:
        self.may_go_on.release(batches)


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def first(model: Model) -> BatchQueue:
    return BatchQueue(model.run, lambda value: value)


@pytest.fixture
def second(model: Model) -> BatchQueue:
    return BatchQueue(model.run, lambda value: value)


@pytest.fixture
def worker(model: Model, first: BatchQueue, second: BatchQueue) -> Iterator[Worker]:
    worker = Worker([first, second])
    yield worker
    model.let_go()
    worker.stop()


def test_results_come_in_the_order_of_the_inputs(model: Model, first: BatchQueue, worker: Worker) -> None:
    model.let_go()
    values = [5, 900, 1, 7000, 30] * 20
    assert worker.submit(first, values).result(10) == [2 * value for value in values]
    assert len(model.batches) > 1


def test_a_batch_is_bounded_in_number_and_in_padded_length(
    model: Model, first: BatchQueue, worker: Worker
) -> None:
    model.let_go()
    worker.submit(first, [*[1] * 100, *[3000] * 5, 90_000]).result(10)
    assert [len(batch) for batch in model.batches] == [1, 2, 2, 2, 32, 32, 32, 3]
    assert all(max(batch) * len(batch) <= 8000 or len(batch) == 1 for batch in model.batches)


def test_requests_that_wait_together_share_a_batch(model: Model, first: BatchQueue, worker: Worker) -> None:
    running = worker.submit(first, [1])
    assert model.began.acquire(timeout=10)
    waiting = [worker.submit(first, [value]) for value in (2, 3, 4)]
    model.let_go()
    assert [future.result(10) for future in (running, *waiting)] == [[2], [4], [6], [8]]
    assert model.batches == [[1], [2, 3, 4]]


def test_a_question_waits_for_one_batch_of_documents_at_most(
    model: Model, first: BatchQueue, second: BatchQueue, worker: Worker
) -> None:
    documents = worker.submit(second, [1000] * 64)
    assert model.began.acquire(timeout=10)
    question = worker.submit(first, [7])
    model.let_go(2)
    assert question.result(10) == [14]
    assert not documents.done()
    assert model.batches[1] == [7]
    model.let_go()
    assert len(documents.result(10)) == 64


def test_a_failed_batch_fails_its_requests_and_no_other(
    model: Model, first: BatchQueue, worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    running = worker.submit(first, [1])
    assert model.began.acquire(timeout=10)
    failing = worker.submit(first, [*[13] * 40])
    model.let_go()
    with pytest.raises(ZeroDivisionError):
        failing.result(10)
    assert running.result(10) == [2]
    assert worker.submit(first, [3]).result(10) == [6]
    assert worker.is_well
    assert len(model.batches) == 3, "the rest of a failed request is not run"
    assert "A batch of 32 failed" in caplog.text


def test_a_request_that_nobody_waits_for_is_not_run(model: Model, first: BatchQueue, worker: Worker) -> None:
    running = worker.submit(first, [1])
    assert model.began.acquire(timeout=10)
    left, kept = worker.submit(first, [2]), worker.submit(first, [3])
    assert left.cancel()
    assert running.cancel(), "even the one that runs"
    model.let_go()
    assert kept.result(10) == [6]
    assert model.batches == [[1], [3]]
    with pytest.raises(CancelledError):
        left.result(0)


def test_more_than_the_queue_holds_is_refused_until_there_is_room(
    model: Model, first: BatchQueue, worker: Worker
) -> None:
    most = batching.MAX_WAITING_CHARACTERS
    running = worker.submit(first, [most - 10])
    assert model.began.acquire(timeout=10)
    waiting = worker.submit(first, [most - 10])
    with pytest.raises(QueueFull):
        worker.submit(first, [11])
    model.let_go()
    assert len(running.result(10) + waiting.result(10)) == 2
    assert worker.submit(first, [11]).result(10) == [22]


def test_stopping_finishes_what_waits(model: Model, first: BatchQueue, worker: Worker) -> None:
    futures = [worker.submit(first, [value]) for value in (1, 2, 3)]
    model.let_go()
    worker.stop()
    assert [future.result(0) for future in futures] == [[2], [4], [6]]
    assert not worker.is_well
