"""usage: bare_zeromq.py CALLS BATCH AHEAD: squares by two processes, BATCH of them in a message and
AHEAD messages for each at a time; where CALLS is 1, the median of many round trips."""

from __future__ import annotations

import itertools
import pickle
import statistics
import subprocess
import sys
from time import perf_counter

import zmq
from serve import serve, square

TRIPS = 1000


def main(calls: str, batch: str, ahead: str) -> None:
    router = zmq.Context().socket(zmq.ROUTER)
    router.sndhwm = router.rcvhwm = 0
    router.bind("tcp://127.0.0.1:*")
    address = router.getsockopt(zmq.LAST_ENDPOINT).decode()
    argv = [sys.executable, __file__, "worker", address]
    workers = [subprocess.Popen(argv) for _ in range(2)]
    keys = [router.recv_multipart()[0] for _ in workers]
    wanted, size, first = range(int(calls)), int(batch), int(ahead) * len(keys)

    def run() -> None:
        values: list[int | None] = [None] * len(wanted)
        chunks = [wanted[at : at + size] for at in range(0, len(wanted), size)]
        left = iter(chunks)

        def send(key: bytes, chunk: range) -> None:
            router.send_multipart([key, pickle.dumps([(i, i) for i in chunk])])

        for chunk, key in zip(itertools.islice(left, first), itertools.cycle(keys), strict=False):
            send(key, chunk)
        for _ in chunks:
            key, told = router.recv_multipart()
            for place, value in pickle.loads(told):
                values[place] = value
            for chunk in itertools.islice(left, 1):
                send(key, chunk)
        if values != [i * i for i in wanted]:
            raise SystemExit("the results are wrong")

    def trips() -> float:
        taken = []
        for i in range(TRIPS):
            began = perf_counter()
            router.send_multipart([keys[0], pickle.dumps([(0, i)])])
            [(_, value)] = pickle.loads(router.recv_multipart()[1])
            taken.append(perf_counter() - began)
            if value != square(i):
                raise SystemExit("the result is wrong")
        return statistics.median(taken)

    serve(run if len(wanted) > 1 else trips)
    for key in keys:
        router.send_multipart([key, pickle.dumps(None)])


def work(address: str) -> None:
    dealer = zmq.Context().socket(zmq.DEALER)
    dealer.sndhwm = dealer.rcvhwm = 0
    dealer.connect(address)
    dealer.send(b"")
    while (asked := pickle.loads(dealer.recv())) is not None:
        dealer.send(pickle.dumps([(place, square(i)) for place, i in asked]))


if __name__ == "__main__":
    if sys.argv[1] == "worker":
        work(sys.argv[2])
    else:
        main(*sys.argv[1:])
