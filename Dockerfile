# syntax=docker/dockerfile:1
# The production image: the gate without the demo, as an unprivileged user, on a read-only root.
#   docker build -t lychgate .
#   docker run --read-only -v ./config:/etc/lychgate:ro -v state:/var/lib/lychgate -p 8080:8080 lychgate
ARG BASE=python:3.12-slim

FROM ${BASE} AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY sidecar sidecar
# Wheels only: nothing is compiled, and what has no wheel for the platform fails here and not at run time.
RUN python -m venv /build \
    && /build/bin/pip install --no-cache-dir --only-binary :all: --constraint constraints.txt hatchling \
    && /build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . \
    && python -m venv /opt/lychgate \
    && /opt/lychgate/bin/pip install --no-cache-dir --no-compile --only-binary :all: --constraint constraints.txt /wheels/*.whl \
    && rm -r /opt/lychgate/lib/python*/site-packages/sidecar/demo \
    && /opt/lychgate/bin/pip uninstall --yes --quiet pip

FROM ${BASE}
LABEL org.opencontainers.image.title="lychgate" \
      org.opencontainers.image.description="An access gateway for Jira and Confluence Data Center" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --system --gid 10001 lychgate \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin lychgate \
    && install -d -o 10001 -g 10001 -m 0700 /var/lib/lychgate
COPY --from=build /opt/lychgate /opt/lychgate
ENV PATH=/opt/lychgate/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
EXPOSE 8080 9090
VOLUME /var/lib/lychgate
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 9090, timeout=3); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["lychgate"]
CMD ["serve", "-c", "/etc/lychgate/lychgate.yaml"]
