# syntax=docker/dockerfile:1
# The control plane: API and worker are the same image with another command.
ARG NODE_VERSION=20.20.2
ARG TOFU_VERSION=1.10.6

# OpenTofu's own way to get the binary into an image.
FROM ghcr.io/opentofu/opentofu:${TOFU_VERSION}-minimal AS tofu

FROM node:${NODE_VERSION}-bookworm AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
# Nothing that packages bring is run, and SQLite is compiled: some fetch binaries that no lock file vouches for.
RUN npm ci --ignore-scripts --no-audit --no-fund \
  && npm_config_build_from_source=true npm_config_nodedir=/usr/local npm rebuild better-sqlite3
COPY . .
# The engine is for writing migrations only; /bin/true keeps Prisma from fetching it.
RUN PRISMA_SCHEMA_ENGINE_BINARY=/bin/true npx --no-install prisma generate \
  && npm run build \
  && npm prune --omit=dev --no-audit --no-fund

# The plugin of Hetzner Cloud, so that a container buys its first machine without asking a registry. tofu checks the
# signed checksums of the publisher; HCLOUD_PLUGIN_SHA256 (of the zip for this platform) pins the bytes as well.
FROM build AS plugin
ARG HCLOUD_PLUGIN_VERSION=1.66.0
ARG HCLOUD_PLUGIN_SHA256=
COPY --from=tofu /usr/local/bin/tofu /usr/local/bin/tofu
RUN cp -r infra/cdktf/plugin /pin \
  && sed -i "s/>= [0-9.]*, < [0-9.]*/${HCLOUD_PLUGIN_VERSION}/" /pin/main.tf.json \
  && tofu -chdir=/pin providers mirror /mirror \
  && if [ -n "$HCLOUD_PLUGIN_SHA256" ]; then \
    find /mirror -name '*.zip' -exec sh -c 'echo "$1  $2" | sha256sum -c' sh "$HCLOUD_PLUGIN_SHA256" {} +; fi

FROM node:${NODE_VERSION}-bookworm-slim
LABEL org.opencontainers.image.title="Lazarus" \
  org.opencontainers.image.licenses="Apache-2.0"
ENV NODE_ENV=production LAZARUS_DATA=/data LAZARUS_LISTEN=0.0.0.0:8080 CHECKPOINT_DISABLE=1
COPY --from=plugin /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=tofu /usr/local/bin/tofu /usr/local/bin/tofu
COPY --from=plugin /mirror /usr/share/opentofu/plugins
WORKDIR /app
COPY --from=build /build/package.json ./
COPY --from=build /build/bin/lazarus ./bin/
COPY --from=build /build/node_modules ./node_modules
COPY --from=build /build/dist ./dist
COPY --from=build /build/infra/cdktf/hcloud-rest.mjs ./infra/cdktf/
COPY --from=build /build/prisma/migrations ./prisma/migrations
COPY --from=build /build/lua ./lua
COPY --from=build /build/templates ./templates
RUN ln -s /app/bin/lazarus /usr/local/bin/lazarus && install -d -o node -g node -m 0700 /data
USER node
VOLUME /data
EXPOSE 8080
ENTRYPOINT ["lazarus"]
CMD ["api"]
