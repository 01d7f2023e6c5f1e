# One image with all programs; the service to run is the command. It takes nothing that the classic
# builder does not know, and no network but for packages: crates come as Cargo.lock says.
ARG RUST_IMAGE=rust:1.95-bookworm
ARG DEBIAN_IMAGE=debian:bookworm-slim

FROM ${RUST_IMAGE} AS build
WORKDIR /src
COPY . .
RUN cargo build --locked --profile dist --bins \
    && mkdir /out \
    && for program in weir weir-edge weir-mapping weir-contact-upsert weir-activity weir-audience weir-quota weir-console; do \
         mv "target/dist/$program" /out/ || exit 1; \
       done

FROM ${DEBIAN_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Weir" \
      org.opencontainers.image.description="The self-hosted receiving side of Segment's Ortto (Actions) destination" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# Certificates: by them a mail server or a webhook is known. The number of the user is that of the
# files in the volume of mails.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --system --gid 999 weir \
    && useradd --system --no-create-home --uid 999 --gid 999 weir \
    && install --directory --owner 999 --group 999 --mode 0750 /var/lib/weir /var/lib/weir/mail
COPY --from=build /out/ /usr/local/bin/
USER 999:999
WORKDIR /var/lib/weir
EXPOSE 8080 8090 8000 7001 7002 7003 7004 7005 9100
CMD ["weir", "--help"]
