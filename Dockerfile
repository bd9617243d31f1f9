# syntax=docker/dockerfile:1
# AutoFlow on Dagster in one container: code server, webserver and daemon (`autoflow up`).
# `make image-check` executes these steps in a bare Debian root.

FROM debian:trixie-slim AS build
# Debian's release is pinned and its packages are not: their security updates are wanted.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 python3-pip python3-venv
WORKDIR /src
COPY constraints.txt pyproject.toml README.md LICENSE dagster.yaml workspace.yaml ./
COPY autoflow_dagster ./autoflow_dagster
COPY examples ./examples
# pip stays here: the environment that goes into the image cannot install anything.
RUN python3 -m venv --without-pip /opt/autoflow \
    && pip --python /opt/autoflow/bin/python install --no-cache-dir --no-compile --constraint constraints.txt . \
    && (/opt/autoflow/bin/python -m compileall -q -j 0 /opt/autoflow/lib || true)

FROM debian:trixie-slim
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 tini ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/autoflow /opt/autoflow
# Any uid may run it, on a read-only root: only outputs and /tmp are written to.
RUN mkdir -p /mounts/inputs /mounts/outputs && chmod 1777 /mounts/outputs
ENV PATH=/opt/autoflow/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/tmp \
    LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MPLCONFIGDIR=/tmp/matplotlib \
    IPYTHONDIR=/tmp/ipython
USER 1000:1000
VOLUME ["/mounts/outputs", "/tmp"]
EXPOSE 3000 3001
STOPSIGNAL SIGTERM
# Alive, not ready: killing the container would not bring a stopped database back.
HEALTHCHECK --interval=30s --timeout=10s --start-period=180s --retries=3 \
    CMD ["autoflow", "status", "--alive", "--quiet"]
ENTRYPOINT ["tini", "--", "autoflow"]
CMD ["up", "--host", "0.0.0.0"]
