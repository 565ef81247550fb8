"""What loads a stranger's model has no passwords and no tokens in its environment."""

import os
import sys

import pytest

from headstart.extractors.safety import forkserver
from headstart.extractors.safety.confinement import Limits
from headstart.extractors.safety.forkserver import ForkServer

ANSWERING = """
import json, os, sys
for line in sys.stdin:
    print(json.dumps(dict(os.environ)), flush=True)
"""
SECRETS = {
    "PGPASSWORD": "s3cr3t",
    "PGHOST": "database.example",
    "HEADSTART_DATABASE_URL": "postgresql+psycopg://user:s3cr3t@h/zoo",
    "AWS_SECRET_ACCESS_KEY": "s3cr3t",
    "AWS_ACCESS_KEY_ID": "s3cr3t",
    "GITHUB_TOKEN": "s3cr3t",
    "HF_TOKEN": "s3cr3t",
    "KAGGLE_KEY": "s3cr3t",
    "MYSQL_PWD": "s3cr3t",
    "mlflow_tracking_password": "s3cr3t",
    "GOOGLE_APPLICATION_CREDENTIALS": "/home/user/s3cr3t.json",
    "AZURE_STORAGE_CONNECTION_STRING": "AccountKey=s3cr3t",
    "SSH_AUTH_SOCK": "/tmp/s3cr3t",
    "BROKER": "amqp://user:s3cr3t@broker.example:5672//",
}


@pytest.mark.parametrize("has_fork", [True, False])
def test_the_process_that_loads_models_apart_gets_no_secrets(monkeypatch, has_fork):
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    monkeypatch.setattr(forkserver, "HAS_FORK", has_fork)
    monkeypatch.setattr(forkserver, "COMMAND", [sys.executable, "-c", ANSWERING])
    server = ForkServer()
    try:
        given = server.run({"limits": Limits(1 << 30, 5, 1 << 20).to_json()})
    finally:
        server.close()
    assert not {name for name in given if name.upper() in map(str.upper, SECRETS)}
    assert not [name for name, value in given.items() if "s3cr3t" in value]
    assert given["PATH"] == os.environ["PATH"] and given["KERAS_BACKEND"] == "tensorflow"
