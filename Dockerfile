# The server of One Map, with the web client in it. `compose.yaml` runs it beside a PostGIS.

# ---- the web client
FROM node:22.19.0-bookworm-slim AS web
WORKDIR /build/web
COPY web/package.json web/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY web/ ./
RUN npm run build

# ---- the server and its locked dependencies, in a virtual environment
FROM python:3.12.11-slim-bookworm AS python
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
RUN python -m venv /opt/onemap
COPY requirements.lock ./
RUN /opt/onemap/bin/pip install --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY gis gis
COPY layers layers
COPY etl etl
COPY tiles tiles
COPY api api
COPY cli cli
RUN /opt/onemap/bin/pip install --no-deps --no-build-isolation . \
    && /opt/onemap/bin/pip uninstall --yes setuptools wheel

# ---- what runs
FROM python:3.12.11-slim-bookworm
LABEL org.opencontainers.image.title="One Map" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --system --gid 10001 onemap \
    && useradd --system --uid 10001 --gid onemap --no-create-home --shell /usr/sbin/nologin onemap
RUN install --directory --owner=onemap --group=onemap --mode=0700 /var/lib/onemap/spool \
    && install --directory --owner=onemap --group=onemap --mode=0755 /var/lib/onemap/tiles
COPY --from=python /opt/onemap /opt/onemap
COPY --from=web /build/web/dist /opt/onemap/web
ENV PATH=/opt/onemap/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ONEMAP_HOST=0.0.0.0 \
    ONEMAP_PORT=8000 \
    ONEMAP_WEB_ROOT=/opt/onemap/web
USER 10001:10001
WORKDIR /tmp
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f\"http://127.0.0.1:{os.environ['ONEMAP_PORT']}/healthz\", timeout=4)"]
ENTRYPOINT ["onemap"]
CMD ["serve"]
