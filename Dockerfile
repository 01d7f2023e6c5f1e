# One image with all binaries; the service to run is the command.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --profile dist --bins \
    && mkdir /out \
    && for binary in weir weir-edge weir-mapping weir-contact-upsert weir-activity weir-audience weir-quota; do \
         cp "target/dist/$binary" /out/; \
       done

FROM debian:bookworm-slim
RUN useradd --system --no-create-home weir
COPY --from=build /out/ /usr/local/bin/
USER weir
