# syntax=docker/dockerfile:1

# The homeserver and its admin tool. Built with `docker build -t missive .` from the root of the checkout;
# `--target dev` gives the image that docker-compose.dev.yml works in.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY client-core client-core
COPY homeserver homeserver
COPY loadgen loadgen
COPY missivectl missivectl
COPY xtask xtask
COPY migrations migrations
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked -p homeserver -p missivectl \
    && install -D -t /out target/release/homeserver target/release/missivectl

# Watches the sources, which are mounted, and builds and restarts the server when they change.
FROM rust:1.95-bookworm AS dev
RUN cargo install --locked watchexec-cli@2.8.0
WORKDIR /src

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --user-group --no-create-home missive \
    && install -d -o missive -g missive -m 0700 /data
COPY --from=build /out/homeserver /out/missivectl /usr/local/bin/
USER missive
VOLUME /data
ENV MISSIVE_LISTEN=0.0.0.0:8080 \
    MISSIVE_DATA_DIR=/data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["missivectl", "health", "--url", "http://127.0.0.1:8080"]
CMD ["homeserver"]
