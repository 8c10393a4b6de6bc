# SPDX-License-Identifier: Apache-2.0
# What an oracle's operator runs. From the project's folder:
#   docker build -f deploy/docker/oracle.Dockerfile -t epochal-oracle .
# It takes the intake's options, such as: intake --store /data/oracle.sqlite --listen 0.0.0.0:8600 ...

FROM python:3.12-slim AS packages
COPY deploy/docker/oracle.requirements.txt /tmp/requirements.txt
RUN python -m venv /opt/packages \
 && /opt/packages/bin/pip install --no-cache-dir --disable-pip-version-check --only-binary :all: --require-hashes \
    -r /tmp/requirements.txt

# The chain's bindings come from the contracts' sources, so the image has their compiler, which runs on Node.js.
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
COPY cli/__init__.py cli/main.py cli/oracle.py cli/
COPY oracle oracle/
# Compiled once, here: at the first start it would take most of a minute.
RUN python -c 'from chain.compiler import load; load()' \
 && install -d -o 65532 -g 65532 -m 700 /data
USER 65532:65532
VOLUME /data
EXPOSE 8600
ENTRYPOINT ["python", "-m", "cli.main", "oracle"]
CMD ["intake", "--help"]
