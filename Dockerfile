# The operator's image: `make image`. Releases are built from it for linux/amd64 and linux/arm64.
#
# Everything that goes in is pinned: the base by its digest, the packages by their hashes, among
# them those that build. tests/install/test_image.py carries out these very instructions without a
# container engine, so they keep to what it knows: COPY, ENV, ARG, RUN, WORKDIR and the metadata.

ARG PREFIX=/opt/coze-nats

# Digest and tag move together (.github/dependabot.yml).
FROM docker.io/library/python:3.13.14-slim-trixie@sha256:9662417aace5ae7b8e2609cce472b72a8958e134ba372808abe9cc1a0c0125e6 AS python

FROM python AS build
ARG PREFIX
# Compiled files depend on the order of hashes, and wheels on the time, unless both stand still.
ENV PYTHONHASHSEED=0 \
    SOURCE_DATE_EPOCH=315532800
WORKDIR /build

# One package has no wheel. It is built with the pinned tools, not with what pip would fetch for it.
COPY requirements-build.txt requirements.txt ./
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv tools \
    && tools/bin/python -m pip install --quiet --require-hashes --requirement requirements-build.txt \
    && tools/bin/python -m pip wheel --quiet --require-hashes --no-build-isolation \
        --requirement requirements.txt --wheel-dir wheels

COPY pyproject.toml README.md LICENSE ./
COPY operator operator
# Nothing is fetched any more. Compiled files are checked by nobody at run time, so times don't matter.
RUN tools/bin/python -m pip wheel --quiet --no-index --no-deps --no-build-isolation --wheel-dir wheels . \
    && python -m venv --without-pip "$PREFIX" \
    && tools/bin/python -m pip --python "$PREFIX/bin/python" install --quiet --no-index --no-compile \
        --find-links wheels coze-nats-operator \
    && "$PREFIX/bin/python" -m compileall -q --invalidation-mode unchecked-hash "$PREFIX/lib"

FROM python
ARG PREFIX
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=1980-01-01T00:00:00Z
LABEL org.opencontainers.image.title="Coze NATS operator" \
      org.opencontainers.image.description="Keeps NATS JetStream streams and consumers as they are declared in Kubernetes" \
      org.opencontainers.image.url="https://github.com/coze-dev/coze-nats-operator" \
      org.opencontainers.image.source="https://github.com/coze-dev/coze-nats-operator" \
      org.opencontainers.image.documentation="https://github.com/coze-dev/coze-nats-operator/blob/main/README.md" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="docker.io/library/python:3.13.14-slim-trixie" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$CREATED"
COPY --from=build $PREFIX $PREFIX
# The root file system may be read-only: in a pod, nothing is written at all.
ENV PATH=$PREFIX/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["coze-nats"]
CMD ["operator"]
