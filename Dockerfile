# One image for every command. Three stages: what runs is the compiled code and the production packages, nothing else.
# Debian, because the prebuilt uWebSockets.js needs glibc. A release pins the base by digest:
#   docker build --build-arg NODE_IMAGE=node@sha256:… -t meanstream .
ARG NODE_IMAGE=node:20.20.2-bookworm-slim

FROM ${NODE_IMAGE} AS build
# The kernels are compiled here; without a compiler they would run as WebAssembly.
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build

FROM ${NODE_IMAGE} AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts
# uWebSockets.js and rocksdb-native bring binaries for every platform, 400 MB of them: only this one's stay.
RUN binary="$(node -p '`uws_${process.platform}_${process.arch}_${process.versions.modules}.node`')" \
  && test -f "node_modules/uWebSockets.js/${binary}" \
  && find node_modules/uWebSockets.js -name 'uws_*.node' ! -name "${binary}" -delete \
  && prebuild="$(node -p '`${process.platform}-${process.arch}`')" \
  && test -d "node_modules/rocksdb-native/prebuilds/${prebuild}" \
  && find node_modules/rocksdb-native/prebuilds -mindepth 1 -maxdepth 1 ! -name "${prebuild}" -exec rm -r {} +

FROM ${NODE_IMAGE}
# rocksdb-native is linked against libatomic.
RUN apt-get update \
  && apt-get install --yes --no-install-recommends libatomic1 \
  && rm -rf /var/lib/apt/lists/* \
  && install --directory --owner=10001 --group=10001 /var/lib/meanstream
ENV NODE_ENV=production
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json LICENSE ./
COPY examples/data examples/data
USER 10001:10001
EXPOSE 8080 9464
ENTRYPOINT ["node", "dist/bin/meanstream.js"]
CMD ["--help"]
