# Stands in for redis:7-bookworm where no registry can be reached.
ARG DEBIAN_IMAGE
FROM ${DEBIAN_IMAGE}
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends redis-server gosu \
    && rm -rf /var/lib/apt/lists/* \
    && install --directory --owner redis --group redis /data
VOLUME /data
WORKDIR /data
COPY redis-entrypoint /usr/local/bin/docker-entrypoint.sh
RUN chmod 755 /usr/local/bin/docker-entrypoint.sh
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["redis-server"]
