# syntax=docker/dockerfile:1
# AutoFlow on Dagster in one container: code server, webserver and daemon (`autoflow up`).

FROM python:3.12-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
RUN python -m venv /opt/autoflow
# The dependencies first: they change less often than the code.
COPY constraints.txt pyproject.toml README.md LICENSE dagster.yaml workspace.yaml ./
COPY autoflow_dagster ./autoflow_dagster
COPY examples ./examples
RUN /opt/autoflow/bin/pip install --compile --constraint constraints.txt . \
    && /opt/autoflow/bin/python -m compileall -q /opt/autoflow/lib

FROM python:3.12-slim-bookworm
RUN apt-get update \
    && apt-get install -y --no-install-recommends tini ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/autoflow /opt/autoflow
# Any uid may run it: nothing of the image is written to, and HOME is a place that everybody may use.
RUN mkdir -p /mounts/inputs /mounts/outputs && chmod 1777 /mounts/outputs
ENV PATH=/opt/autoflow/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MPLCONFIGDIR=/tmp/matplotlib \
    IPYTHONDIR=/tmp/ipython
USER 1000:1000
VOLUME ["/mounts/outputs", "/tmp"]
EXPOSE 3000 3001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s --retries=3 \
    CMD ["autoflow", "status", "--quiet"]
ENTRYPOINT ["tini", "--", "autoflow"]
CMD ["up", "--host", "0.0.0.0"]
