# SPDX-License-Identifier: Apache-2.0
# What deploys a network on the local chain of deploy/compose; no oracle needs it.

FROM python:3.12-slim AS packages
COPY deploy/docker/local.requirements.txt /tmp/requirements.txt
RUN python -m venv /opt/packages \
 && /opt/packages/bin/pip install --no-cache-dir --disable-pip-version-check --only-binary :all: --require-hashes \
    -r /tmp/requirements.txt

# Who deploys contracts compiles them, and their compiler runs on Node.js.
FROM node:22-slim AS compiler
WORKDIR /opt/epochal
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --omit=optional \
 && mkdir kept \
 && cd node_modules \
 && mv @openzeppelin solc command-exists commander follow-redirects js-sha3 memorystream semver tmp ../kept/

FROM python:3.12-slim
# py-solc-x would make a folder in the home that this user doesn't have.
ENV PATH=/opt/packages/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 SOLCX_BINARY_PATH=/opt/epochal/.solcx
COPY --from=packages /opt/packages /opt/packages
COPY --from=compiler /usr/local/bin/node /usr/local/bin/node
WORKDIR /opt/epochal
COPY --from=compiler /opt/epochal/kept node_modules/
COPY scripts/solc scripts/
COPY contracts contracts/
COPY chain chain/
COPY oracle oracle/
COPY scenario scenario/
COPY settlement settlement/
# Compiled once, here: at the first start it would take most of a minute.
RUN python -c 'from chain.compiler import load; load()' \
 && install -d -o 65532 -g 65532 -m 700 /network
USER 65532:65532
VOLUME /network
ENTRYPOINT ["python", "-m", "scenario.compose"]
CMD ["http://chain:8545", "/network"]
