# One image with all binaries; the service to run is the command.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --profile dist --bins \
    && mkdir /out \
    && for binary in weir weir-edge weir-mapping weir-contact-upsert weir-activity weir-audience weir-quota weir-console; do \
         cp "target/dist/$binary" /out/; \
       done

FROM debian:bookworm-slim
# Certificates: by them a mail server or a webhook is known.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --no-create-home weir \
    && install --directory --owner weir /var/lib/weir /var/lib/weir/mail
COPY --from=build /out/ /usr/local/bin/
USER weir
