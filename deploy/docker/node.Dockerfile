# SPDX-License-Identifier: Apache-2.0
# The agent and the gateway of a node's operator. From the project's folder:
#   docker build -f deploy/docker/node.Dockerfile -t epochal-node .
# docs/node-agent.md says how to run it.

FROM python:3.12-slim AS packages
COPY deploy/docker/node.requirements.txt /tmp/requirements.txt
RUN python -m venv /opt/packages \
 && /opt/packages/bin/pip install --no-cache-dir --disable-pip-version-check --only-binary :all: --require-hashes \
    -r /tmp/requirements.txt

FROM python:3.12-slim
ENV PATH=/opt/packages/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
COPY --from=packages /opt/packages /opt/packages
WORKDIR /opt/epochal
COPY cli/__init__.py cli/main.py cli/node.py cli/node_appeal.py cli/node_running.py cli/
COPY node node/
COPY orchestrator/__init__.py orchestrator/
COPY orchestrator/wire orchestrator/wire/
COPY oracle/__init__.py oracle/
COPY oracle/ground oracle/ground/
COPY oracle/signing oracle/signing/
COPY oracle/telemetry/__init__.py oracle/telemetry/
COPY oracle/telemetry/wire oracle/telemetry/wire/
RUN install -d -o 65532 -g 65532 -m 700 /receipts
USER 65532:65532
VOLUME /receipts
ENTRYPOINT ["python", "-m", "cli.main", "node"]
CMD ["run", "--help"]
