"""The proxy before a broker that answers each request with the number it has, without any Kafka."""

import socket
import socketserver
import struct
import threading
import time
from collections.abc import Iterator

import pytest

from devstack.kafka_proxy import Api, KafkaProxy
from devstack.kafka_proxy.frames import address_bytes

SOON = 5.0


class FakeBroker(socketserver.ThreadingTCPServer):
    """Answers each frame with its correlation id and `text`; `got` holds the payloads in order."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.port = int(self.server_address[1])
        self.text = b"ok"
        self.got: list[bytes] = []


class Handler(socketserver.BaseRequestHandler):
    server: FakeBroker

    def handle(self) -> None:
        while frame := receive(self.request):
            self.server.got.append(frame[8:])
            send(self.request, frame[4:8] + self.server.text)


def send(connection: socket.socket, frame: bytes) -> None:
    connection.sendall(struct.pack(">i", len(frame)) + frame)


def receive(connection: socket.socket) -> bytes:
    """The next frame; empty at the end."""
    try:
        head = connection.recv(4, socket.MSG_WAITALL)
        return connection.recv(struct.unpack(">i", head)[0], socket.MSG_WAITALL) if head else b""
    except ConnectionResetError:
        return b""


class Client:
    """A connection that sends one request at a time."""

    def __init__(self, proxy: KafkaProxy) -> None:
        host, _, port = proxy.address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=SOON)
        self._number = 0

    def ask(self, api: int, text: bytes = b"") -> None:
        self._number += 1
        send(self.socket, struct.pack(">hhi", api, 0, self._number) + text)

    def answer(self) -> bytes:
        """The next answer's text, checked to belong to the last request; empty at the end."""
        frame = receive(self.socket)
        assert not frame or frame[:4] == struct.pack(">i", self._number)
        return frame[4:]

    def silent(self, seconds: float = 0.2) -> bool:
        self.socket.settimeout(seconds)
        try:
            self.socket.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(SOON)
        return False


@pytest.fixture
def broker() -> Iterator[FakeBroker]:
    with FakeBroker() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def proxy(broker: FakeBroker) -> Iterator[KafkaProxy]:
    with KafkaProxy(f"127.0.0.1:{broker.port}") as proxy:
        yield proxy


@pytest.fixture
def client(proxy: KafkaProxy) -> Iterator[Client]:
    client = Client(proxy)
    with client.socket:
        yield client


def test_what_no_point_is_for_passes_and_is_counted(proxy: KafkaProxy, client: Client) -> None:
    for _ in range(3):
        client.ask(Api.PRODUCE)
        assert client.answer() == b"ok"
    assert (proxy.seen(Api.PRODUCE), proxy.seen(Api.PRODUCE, "response")) == (3, 3)


def test_a_held_request_reaches_the_broker_on_release_only(
    proxy: KafkaProxy, broker: FakeBroker, client: Client
) -> None:
    point = proxy.hold_request(Api.END_TXN)
    client.ask(Api.END_TXN, b"late")
    point.wait(SOON)
    assert client.silent()
    assert broker.got == []
    point.release()
    assert client.answer() == b"ok"


def test_a_held_request_outlives_its_client_and_a_retry_passes_it(
    proxy: KafkaProxy, broker: FakeBroker, client: Client
) -> None:
    point = proxy.hold_request(Api.END_TXN)
    client.ask(Api.END_TXN, b"first")
    point.wait(SOON)
    client.socket.close()
    again = Client(proxy)
    with again.socket:
        again.ask(Api.END_TXN, b"retry")
        assert again.answer() == b"ok"
    point.release()
    proxy.wait_for(Api.END_TXN, SOON, when="response", count=2)
    assert broker.got == [b"retry", b"first"]


def test_what_is_held_at_the_end_is_never_delivered(broker: FakeBroker) -> None:
    with KafkaProxy(f"127.0.0.1:{broker.port}") as proxy:
        point = proxy.hold_request(Api.END_TXN)
        client = Client(proxy)
        client.ask(Api.END_TXN)
        point.wait(SOON)
    assert client.answer() == b""
    client.socket.close()
    assert broker.got == []


def test_a_held_answer_has_been_given_by_the_broker(
    proxy: KafkaProxy, broker: FakeBroker, client: Client
) -> None:
    point = proxy.hold_response(Api.END_TXN)
    client.ask(Api.END_TXN, b"x")
    point.wait(SOON)
    assert broker.got == [b"x"]
    assert client.silent()
    point.release()
    assert client.answer() == b"ok"


def test_dropping_resets_the_connection(proxy: KafkaProxy, broker: FakeBroker, client: Client) -> None:
    point = proxy.hold_request(Api.END_TXN)
    client.ask(Api.END_TXN)
    point.wait(SOON)
    point.drop()
    with pytest.raises(ConnectionResetError):
        client.socket.recv(1)
    assert broker.got == []


@pytest.mark.parametrize(("when", "got"), [("request", []), ("response", [b"x"])])
def test_a_cut_is_a_reset_before_or_after_the_broker_got_it(
    proxy: KafkaProxy, broker: FakeBroker, client: Client, when: str, got: list[bytes]
) -> None:
    proxy.cut(Api.PRODUCE, "request" if when == "request" else "response")
    client.ask(Api.PRODUCE, b"x")
    with pytest.raises(ConnectionResetError):
        client.socket.recv(1)
    assert broker.got == got


def test_a_point_is_for_the_nth_request_with_its_text(proxy: KafkaProxy, client: Client) -> None:
    point = proxy.hold_request(Api.PRODUCE, about="mine", nth=2)
    for text in (b"mine", b"theirs", b"theirs"):
        client.ask(Api.PRODUCE, text)
        assert client.answer() == b"ok"
    assert not point.reached
    client.ask(Api.PRODUCE, b"mine")
    point.wait(SOON)


def test_a_delay_holds_each_for_its_time(proxy: KafkaProxy, client: Client) -> None:
    proxy.delay(Api.PRODUCE, 0.15)
    start = time.monotonic()
    for _ in range(2):
        client.ask(Api.PRODUCE)
        assert client.answer() == b"ok"
    assert time.monotonic() - start >= 0.3


def test_nothing_passes_while_frozen_not_on_new_connections_either(
    proxy: KafkaProxy, broker: FakeBroker, client: Client
) -> None:
    proxy.freeze()
    later = Client(proxy)
    with later.socket:
        for each in (client, later):
            each.ask(Api.PRODUCE)
            assert each.silent()
        assert broker.got == []
        proxy.thaw()
        assert (client.answer(), later.answer()) == (b"ok", b"ok")


def test_cut_all_resets_what_there_is_and_new_connections_come(proxy: KafkaProxy, client: Client) -> None:
    client.ask(Api.PRODUCE)
    assert client.answer() == b"ok"
    proxy.cut_all()
    with pytest.raises(ConnectionResetError):
        client.socket.recv(1)
    again = Client(proxy)
    with again.socket:
        again.ask(Api.PRODUCE)
        assert again.answer() == b"ok"


def test_clients_are_led_to_the_proxy(proxy: KafkaProxy, broker: FakeBroker, client: Client) -> None:
    broker.text = b"1" + address_bytes("127.0.0.1", broker.port) + address_bytes("localhost", broker.port)
    ours = address_bytes("127.0.0.1", int(proxy.address.rpartition(":")[2]))
    client.ask(Api.METADATA)
    assert client.answer() == b"1" + ours + ours


def test_a_broker_that_names_itself_otherwise_is_reported(broker: FakeBroker) -> None:
    def pass_by() -> None:
        with KafkaProxy(f"127.0.0.1:{broker.port}") as proxy:
            client = Client(proxy)
            client.ask(Api.METADATA)
            assert client.answer() == b"ok"
            client.socket.close()

    with pytest.raises(RuntimeError, match="went past the proxy"):
        pass_by()


def test_waiting_in_vain_says_for_what(proxy: KafkaProxy, client: Client) -> None:
    client.ask(Api.PRODUCE)
    assert client.answer() == b"ok"
    with pytest.raises(TimeoutError, match=r"1 × END_TXN request; seen: .*'PRODUCE request': 1"):
        proxy.wait_for(Api.END_TXN, 0.01)
    with pytest.raises(TimeoutError, match="no END_TXN response came to the point"):
        proxy.hold_response(Api.END_TXN).wait(0.01)


def test_an_absent_broker_is_a_reset() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # It may come before the connecting side has noticed that it is connected.
    with (
        KafkaProxy(f"127.0.0.1:{port}") as proxy,
        pytest.raises(ConnectionResetError),
        Client(proxy).socket as connection,
    ):
        connection.recv(1)


def test_brokers_elsewhere_are_refused() -> None:
    with pytest.raises(ValueError, match="one broker at 127"):
        KafkaProxy("kafka:9092")
