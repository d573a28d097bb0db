# Alpha in one container, as one process of a user without rights:
#
#   docker build -t alpha .
#   docker run -d --name alpha -v alpha:/var/lib/alpha alpha
#   docker exec alpha alpha status
#
# Settings: mount a config.toml at /var/lib/alpha/config.toml, or -e ALPHA__SECTION__KEY=...; keys
# and passwords as files, -e ALPHA__..._FILE=/run/secrets/...
# config.toml of this folder goes into the image: no key or password belongs there.
# `docker stop` leaves positions open, protected by their stops on the exchange.
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS build
WORKDIR /source
COPY requirements/runtime.txt requirements/
RUN python -m venv /opt/alpha && \
    /opt/alpha/bin/pip install --no-cache-dir --require-hashes -r requirements/runtime.txt
COPY pyproject.toml README.md config.toml ./
COPY script/wheel.py script/
COPY migrations migrations/
COPY plugins plugins/
COPY alpha alpha/
RUN /opt/alpha/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:${PYTHON}-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/alpha --create-home \
    --shell /usr/sbin/nologin alpha
COPY --from=build /opt/alpha /opt/alpha
ENV PATH=/opt/alpha/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    ALPHA__DATA_DIR=/var/lib/alpha
USER alpha
WORKDIR /var/lib/alpha
VOLUME /var/lib/alpha
STOPSIGNAL SIGTERM
# An answer from the database would mean that no daemon gave one.
HEALTHCHECK --interval=30s --timeout=10s --start-period=2m --retries=3 \
    CMD alpha status --json | grep -Eq '"source": ?"daemon"'
ENTRYPOINT ["alpha"]
CMD ["run"]
