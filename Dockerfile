# lotrc and ONNX Runtime for the CPU: docker run --rm -u "$(id -u):$(id -g)" -v "$PWD:/work" lotrc rewrite model.onnx --rank 8
FROM node:22-slim AS build
WORKDIR /lotrc
ENV ONNXRUNTIME_NODE_INSTALL=skip
COPY . .
RUN npm ci && npm pack --ignore-scripts --pack-destination /tmp
WORKDIR /app
RUN npm install --no-audit --no-fund /tmp/lotrc-*.tgz \
      "onnxruntime-node@$(node -p "require('/lotrc/package.json').devDependencies['onnxruntime-node']")" \
 && find node_modules/onnxruntime-node/bin -mindepth 2 -maxdepth 2 ! -name linux -exec rm -r {} +

FROM node:22-slim
COPY --from=build /app /app
ENV PATH=/app/node_modules/.bin:$PATH
USER node
WORKDIR /work
ENTRYPOINT ["lotrc"]
