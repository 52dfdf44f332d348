# One image for both daemons; the command chooses: `ingest producer run` or `ingest consumer run`.
# Plain Dockerfile syntax on purpose: it builds without BuildKit too (no RUN --mount, no heredoc, no COPY --chmod).
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS builder
# Empty, or a file of requirements/ without its suffix: `--build-arg EXTRAS=demo` adds the data of the demo.
ARG EXTRAS=
WORKDIR /src
# Two environments: what builds (hatchling, setuptools) never reaches the image that runs.
RUN python3 -m venv /opt/build && python3 -m venv /opt/ingest
COPY requirements/build.txt requirements/core.txt requirements/
RUN /opt/build/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements/build.txt \
 && /opt/ingest/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements/core.txt
COPY requirements/ requirements/
RUN mkdir /wheels \
 && if [ -n "${EXTRAS}" ]; then \
      /opt/build/bin/pip wheel --no-cache-dir --require-hashes --no-deps --no-build-isolation \
        --wheel-dir /wheels -r "requirements/${EXTRAS}.txt"; \
    fi
COPY . .
RUN /opt/build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /opt/ingest/bin/pip install --no-cache-dir --no-deps --no-index /wheels/*.whl \
 && /opt/ingest/bin/pip uninstall --yes --quiet setuptools

FROM ${BASE}
LABEL org.opencontainers.image.title="ingest" \
      org.opencontainers.image.description="Outside sources become typed Kafka topics and exact ClickHouse tables."
# A number, so that an orchestrator can see that it is not root; the home exists only for libraries that ask for one.
RUN groupadd --gid 10001 ingest \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin ingest
COPY --from=builder /opt/ingest /opt/ingest
# The health page must be reachable from outside the container: 0.0.0.0 here is the container's own network.
# No bytecode is written at run time: it was compiled while installing, and the root file system may be read-only.
ENV PATH=/opt/ingest/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    TZ=UTC \
    INGEST_HTTP__HOST=0.0.0.0 \
    INGEST_HTTP__PORT=8080
WORKDIR /tmp
USER 10001:10001
EXPOSE 8080
# SIGTERM drains: finish the slice or batch in hand, commit, exit 0. Give it at least the drain time (25 s) to do so.
STOPSIGNAL SIGTERM
# /livez, not /readyz: a broker that is away makes a daemon wait, and restarting it would not help.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["python3", "-c", \
"import os, http.client as h; c = h.HTTPConnection('127.0.0.1', int(os.environ['INGEST_HTTP__PORT']), timeout=4); c.request('GET', '/livez'); raise SystemExit(c.getresponse().status != 200)"]
CMD ["ingest", "--help"]
