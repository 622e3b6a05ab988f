#!/usr/bin/python3
"""An upstream for bench/budget.py: one process that answers at once and writes down when each call came.

A line a call goes to standard output: monotonic microseconds, method, path, status. The clock is that
of all processes of the machine. After GET /_storm/SECONDS half of the answers are overload for so long: 429
with Retry-After, or 503 without.
"""

import asyncio
import random
import sys
import time

OVERLOADED = [b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 2\r\n\r\n{}",
              b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\n{}"]
FINE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


def now_us():
    return time.monotonic_ns() // 1000


class Storm:
    """Until when it lasts, and what is answered meanwhile."""

    def __init__(self, seed):
        self.until_us = 0
        self.rng = random.Random(seed)

    def answer(self):
        if now_us() < self.until_us and self.rng.random() < 0.5:
            return self.rng.choice(OVERLOADED)
        return FINE


class Connection(asyncio.Protocol):
    """Requests one after the other; bodies are passed over."""

    def __init__(self, storm):
        self.storm = storm
        self.transport = None
        self.received = b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        came_us = now_us()
        self.received += data
        while b"\r\n\r\n" in self.received:
            head, _, rest = self.received.partition(b"\r\n\r\n")
            length = next((int(line.split(b":")[1]) for line in head.lower().split(b"\r\n")
                           if line.startswith(b"content-length:")), 0)
            if len(rest) < length:
                return
            self.received = rest[length:]
            self.call(came_us, *head.split(b" ", 2)[:2])

    def call(self, came_us, method, target):
        path = target.partition(b"?")[0].decode()
        if path.startswith("/_storm/"):
            self.storm.until_us = came_us + int(path.rpartition("/")[2]) * 1000000
            self.transport.write(FINE)
            return
        answer = self.storm.answer()
        print(came_us, method.decode(), path, answer.split(b" ", 2)[1].decode(), flush=True)
        self.transport.write(answer)


async def main():
    storm = Storm(int(sys.argv[1]))
    server = await asyncio.get_running_loop().create_server(lambda: Connection(storm), "127.0.0.1", 0, backlog=512)
    print("listening", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
