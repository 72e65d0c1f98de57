# An image in which a workspace trains and serves; docs/docker.md says how. The Bento has an image of its own.
FROM python:3.11.14-slim-trixie

# DVC keeps what a workspace is in git where there is git.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/*

# A CPU build of torch; for a GPU: --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu128
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
COPY requirements.lock /tmp/requirements.lock
RUN pip install --no-cache-dir uv==0.13.9 \
    && pip install --no-cache-dir --index-url "$TORCH_INDEX" torch==2.13.0 \
    && uv pip install --system --no-cache -r /tmp/requirements.lock

# Made before by `uv build --wheel`
COPY dist/shotline-*.whl /tmp/
RUN uv pip install --system --no-cache --no-deps /tmp/shotline-*.whl && rm /tmp/shotline-*.whl

RUN useradd --create-home --uid 1000 shotline && mkdir /workspace && chown shotline /workspace
USER 1000
WORKDIR /workspace
VOLUME /workspace
EXPOSE 3000
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:3000/livez', timeout=5)"]
ENTRYPOINT ["shotline"]
CMD ["serve", "--host", "0.0.0.0"]
