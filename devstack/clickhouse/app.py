"""The HTTP interface as an ASGI application: / for statements, /ping and /replicas_status for health."""

import contextlib
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from devstack.clickhouse import answers
from devstack.clickhouse.bodies import Folder, Names, Received, receive
from devstack.clickhouse.compression import decoder
from devstack.clickhouse.engine import External, Work
from devstack.clickhouse.errors import StatementError
from devstack.clickhouse.front import Front
from devstack.clickhouse.lexer import tokens
from devstack.clickhouse.requests import Access, Request, form_parameters, read_request
from devstack.clickhouse.statements import Query, parse

STOP_SECONDS = 3.0
MAX_FIELD_BYTES = 64 << 20


def build_app(front: Front, folder: Folder, access: Access) -> Starlette:
    """Return the application; when it ends, statements that still run are cancelled."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await front.stop(STOP_SECONDS)

    handler = _Handler(front, folder, access)
    methods = ["GET", "POST", "HEAD"]
    return Starlette(
        routes=[
            Route("/", handler.statement, methods=methods),
            Route("/ping", handler.health, methods=methods),
            Route("/replicas_status", handler.health, methods=methods),
            Route("/{path:path}", handler.unknown, methods=methods),
        ],
        lifespan=lifespan,
    )


class _Handler:
    def __init__(self, front: Front, folder: Folder, access: Access) -> None:
        self._front = front
        self._folder = folder
        self._access = access

    async def health(self, _: HttpRequest) -> Response:
        return answers.ok()

    async def unknown(self, http: HttpRequest) -> Response:
        return answers.no_such_handle(http.url.path)

    async def statement(self, http: HttpRequest) -> Response:
        """Carry out the statement that the request asks for."""
        if http.method != "POST" and "query" not in http.query_params:
            return answers.ok()
        query_id = http.query_params.get("query_id")
        try:
            self._access.admit(http.headers, dict(http.query_params))
            request = read_request(http.method, http.headers, http.query_params.multi_items())
            query_id = request.query_id
            with self._folder.names() as names:
                return await self._answer(http, request, names)
        except StatementError as exc:
            # A client that is still sending would see a broken pipe in place of the answer.
            await _drain(http)
            return answers.refusal(exc, self._front.version, query_id)
        except ClientDisconnect:
            return Response(status_code=400)

    async def _answer(self, http: HttpRequest, request: Request, names: Names) -> Response:
        externals: tuple[External, ...] = ()
        if http.headers.get("Content-Type", "").startswith("multipart/form-data"):
            request, externals = await _read_form(http, request, names)
            received = Received(parse(request.query))
        else:
            body = decoder(request.content_encoding, blocks=request.compressed_blocks)
            received = await receive(http.stream(), request.query, body, names)
        statement = received.statement
        returns_rows = isinstance(statement, Query) and statement.returns_rows
        named = statement.format if isinstance(statement, Query) else None
        work = _work(request, received, externals)
        cancels = returns_rows and request.cancel_on_disconnect
        result = await self._front.run(work, _hang_up(http) if cancels else None)
        result_format = (named or request.default_format) if returns_rows else None
        return await run_in_threadpool(
            answers.answer, result, request.query_id, result_format, request.accept_encoding
        )


def _work(request: Request, received: Received, externals: tuple[External, ...]) -> Work:
    return Work(
        statement=received.sql,
        format=request.default_format,
        query_id=request.query_id,
        database=request.database,
        parameters=request.parameters,
        settings=request.settings,
        externals=externals,
        read_only=request.read_only,
    )


async def _read_form(
    http: HttpRequest, request: Request, names: Names
) -> tuple[Request, tuple[External, ...]]:
    """Take statement and parameters from a form's fields, and tables from its files."""
    externals: list[External] = []
    texts: dict[str, str] = {}
    async with http.form(max_part_size=MAX_FIELD_BYTES) as form:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                path = names.new()
                with path.open("xb") as file:
                    await run_in_threadpool(shutil.copyfileobj, value.file, file)
                externals.append(_external(name, request.externals.get(name, {}), path.name))
            else:
                texts[name] = value
    query, parameters = form_parameters(texts)
    parameters = {**request.parameters, **parameters}
    return replace(request, query=request.query + query, parameters=parameters), tuple(externals)


def _external(name: str, described: Mapping[str, str], file: str) -> External:
    structure = described.get("structure") or _numbered(described.get("types", ""))
    if not structure:
        raise StatementError(
            36, "BAD_ARGUMENTS", f"External table {name} has neither {name}_structure nor {name}_types"
        )
    return External(name, structure, described.get("format", "TabSeparated"), file)


def _numbered(types: str) -> str:
    """Columns _1, _2, … of the types in a comma-separated list."""
    text = types.encode()
    depth, start = 0, 0
    parts: list[bytes] = []
    for token in tokens(text):
        depth += token.is_mark(b"(") - token.is_mark(b")")
        if depth == 0 and token.is_mark(b","):
            parts.append(text[start : token.start])
            start = token.end
    parts.append(text[start:])
    return ", ".join(f"_{number} {part.decode()}" for number, part in enumerate(parts, 1) if part.strip())


def _hang_up(http: HttpRequest) -> Callable[[], Awaitable[None]]:
    async def gone() -> None:
        while (await http.receive())["type"] != "http.disconnect":
            pass

    return gone


async def _drain(http: HttpRequest) -> None:
    with contextlib.suppress(ClientDisconnect, RuntimeError):
        async for _ in http.stream():
            pass
