# One image for every part: `manage.py part web|worker|beat|modelhost`, `manage.py prepare`.
FROM python:3.11-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1

FROM base AS packages
COPY requirements.txt .
RUN python -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir --require-hashes --compile -r requirements.txt

FROM base
COPY --from=packages /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH \
    MODELYARD_HOME=/var/lib/modelyard \
    STATIC_ROOT=/app/static \
    HOST=0.0.0.0
WORKDIR /app
RUN useradd --system --uid 10001 --home-dir /app modelyard \
 && install -d -o modelyard -g modelyard -m 700 /var/lib/modelyard /run/modelyard
COPY manage.py ./
COPY config config
COPY registry registry
COPY serving serving
# The pages' files get their names with hashes now; no secret is needed for that.
RUN SECRET_KEY=only-for-the-build-000000000000000000000000000000000 MODELYARD_HOME=/tmp/build \
    python manage.py collectstatic --no-input --verbosity 0 \
 && rm -rf /tmp/build \
 && python -m compileall -q config registry serving
USER modelyard
VOLUME /var/lib/modelyard
EXPOSE 8000
CMD ["python", "manage.py", "part", "web"]
