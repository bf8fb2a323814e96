"""What the storage tests share: little patience, and the way to the server."""

from __future__ import annotations

from migrator.batching.storage.stores import Patience

HASTY = Patience(tries=5, each=5.0, whole=10.0, wait=0.02)


def environment(port: int) -> dict[str, str]:
    """For processes that talk to S3 at ``port`` of this machine and nowhere else."""
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "key-of-nobody",
        "AWS_SECRET_ACCESS_KEY": "secret-of-nobody",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }
