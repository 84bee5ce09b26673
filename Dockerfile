# syntax=docker/dockerfile:1
# The production image: the gate without the demo, as an unprivileged user, on a read-only root.
#   docker build -t lychgate .
#   docker run --read-only -v ./config:/etc/lychgate:ro -v state:/var/lib/lychgate -p 8080:8080 lychgate
#   docker buildx build --platform linux/amd64,linux/arm64 --build-arg VERSION=… --build-arg REVISION=… .
#   docker build --target inventory --output list .    # the parts and their licences
#   docker build --target trial -t lychgate-trial .    # a sign-in with all that belongs to it, for `helm test`
# Any base with Python 3.11 to 3.13 and glibc will do: what the image needs of it is taken out, and nothing else.
ARG BASE=python:3.12-slim

# Our own wheel is the same everywhere: built once, where the build runs.
FROM --platform=${BUILDPLATFORM:-} ${BASE} AS wheel
WORKDIR /src
COPY image/build.txt image/
RUN python3 -m venv /build \
    && /build/bin/pip install --no-cache-dir --only-binary :all: --require-hashes -r image/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY sidecar sidecar
RUN /build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels .

FROM ${BASE} AS build
ARG TARGETARCH=
# requirements, or tracing: the same with OpenTelemetry.
ARG PARTS=requirements
WORKDIR /src
COPY image/*.txt image/
# Wheels only: nothing is compiled, and what has no wheel for the platform fails here and not at run time.
RUN python3 -m venv /opt/lychgate \
    && /opt/lychgate/bin/pip install --no-cache-dir --no-compile --only-binary :all: --require-hashes -r image/${PARTS}.txt
COPY image/*.py image/
COPY --from=wheel /wheels /wheels
RUN set -e; \
    /opt/lychgate/bin/pip install --no-cache-dir --no-compile --no-deps --no-index /wheels/lychgate-*.whl; \
    /opt/lychgate/bin/pip uninstall --yes --quiet setuptools pip; \
    cd /opt/lychgate/lib/python*/site-packages; \
    mkdir -p /demo"$PWD"/sidecar; \
    install -d -m 0700 /empty/lychgate; \
    mv sidecar/demo /demo"$PWD"/sidecar/demo; \
    find /opt/lychgate -name '*.pyi' -delete; \
    rm -rf /opt/lychgate/include /opt/lychgate/bin/activate* /opt/lychgate/bin/Activate*; \
    python3 /src/image/runtime.py /runtime /opt/lychgate; \
    python3 /src/image/inventory.py "$PWD" /opt/lychgate/share/lychgate "${TARGETARCH}" /runtime.json; \
    python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/lychgate/lib; \
    python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash -s /runtime /runtime

FROM scratch AS inventory
COPY --from=build /opt/lychgate/share/lychgate /

# No shell, no package manager: Python, what it loads, certificates, time zones (image/runtime.py).
FROM scratch AS gate
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="lychgate" \
      org.opencontainers.image.description="An access gateway for Jira and Confluence Data Center" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
COPY --from=build /runtime/ /
COPY --from=build /opt/lychgate /opt/lychgate
# A volume takes its owner from the folder that it covers.
COPY --from=build --chown=10001:10001 /empty/ /var/lib/
ENV PATH=/opt/lychgate/bin:/usr/local/bin:/usr/bin:/bin PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
EXPOSE 8080 9090 9091
VOLUME /var/lib/lychgate
# Not busy and not stuck; whether it is ready is for whoever sends it requests.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
    CMD ["/opt/lychgate/bin/python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 9090, timeout=3); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/opt/lychgate/bin/lychgate"]
CMD ["serve", "-c", "/etc/lychgate/lychgate.yaml"]

# A sign-in from end to end with a provider and a Jira that are made up; never for people.
FROM gate AS trial
COPY --from=build /demo/ /
HEALTHCHECK NONE
ENTRYPOINT ["/opt/lychgate/bin/python", "-m", "sidecar.demo.trial"]
CMD []

FROM gate
