# SPDX-License-Identifier: Apache-2.0
# What an oracle's operator runs. From the project's folder:
#   docker build -f deploy/docker/oracle.Dockerfile -t epochal-oracle .
# docs/operator.md says how to run it; `epochal oracle intake`, `doctor`, `backup` and the others are in it too.

FROM python:3.12-slim AS packages
COPY deploy/docker/oracle.requirements.txt /tmp/requirements.txt
RUN python -m venv /opt/packages \
 && /opt/packages/bin/pip install --no-cache-dir --disable-pip-version-check --only-binary :all: --require-hashes \
    -r /tmp/requirements.txt

FROM python:3.12-slim
ENV PATH=/opt/packages/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
COPY --from=packages /opt/packages /opt/packages
WORKDIR /opt/epochal
COPY chain chain/
COPY cli cli/
COPY oracle oracle/
COPY settlement settlement/
RUN install -d -o 65532 -g 65532 -m 700 /data
ENV EPOCHAL_ORACLE_STATE=/data
USER 65532:65532
VOLUME /data
# Heartbeats, peers, and health, which is for the operator alone.
EXPOSE 8600 8610 8620
# A waiting oracle lives; one that stands still is started again.
HEALTHCHECK --start-period=30s CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8620/live', timeout=5)"]
ENTRYPOINT ["python", "-m", "cli.main", "oracle"]
CMD ["run"]
