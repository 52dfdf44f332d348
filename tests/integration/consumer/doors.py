"""Ports that lead to a server, for tests of what happens when the way there is bad."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from devstack.ports import LOOPBACK


class Door(threading.Thread):
    """Listens on a port of loopback and passes bytes to `target` ("host:port") and back.

    `lose` is asked with each piece of a client's request; when it says True, the answer to it never comes
    back: the connection is closed once the server has begun to answer.
    """

    def __init__(
        self, target: str, *, port: int = 0, lose: Callable[[bytes], bool] = lambda request: False
    ) -> None:
        super().__init__(daemon=True)
        host, _, number = target.rpartition(":")
        self._target = (host, int(number))
        self._lose = lose
        self._listener = socket.create_server((LOOPBACK, port))
        self.port: int = self._listener.getsockname()[1]

    def run(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def close(self) -> None:
        # Closing alone would not wake accept(): it would let one more client in.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self, near: socket.socket) -> None:
        with near, suppress(OSError):
            self._pass_on(near)

    def _pass_on(self, near: socket.socket) -> None:
        lost = threading.Event()
        with socket.create_connection(self._target) as far:
            back = threading.Thread(target=self._answers, args=(far, near, lost), daemon=True)
            back.start()
            try:
                while data := near.recv(65536):
                    if self._lose(data):
                        lost.set()
                    far.sendall(data)
            except OSError:
                pass
            far.close()
            back.join(1)

    @staticmethod
    def _answers(far: socket.socket, near: socket.socket, lost: threading.Event) -> None:
        try:
            while data := far.recv(65536):
                if lost.is_set():
                    near.shutdown(socket.SHUT_RDWR)
                    return
                near.sendall(data)
            near.shutdown(socket.SHUT_WR)
        except OSError:
            pass
