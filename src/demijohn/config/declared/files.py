"""The settings of the files that visitors upload."""

from __future__ import annotations

from demijohn.config import kinds
from demijohn.config.kinds import one_of
from demijohn.config.option import Option

FILES: tuple[Option, ...] = (
    Option(
        "files.store",
        one_of("auto", "database", "s3", "gcs", "disk", "memory"),
        "auto",
        "Where uploads are kept. auto: in the database, where there is one; else in memory, from which they are gone "
        "with the process.",
    ),
    Option("files.url", kinds.PATH, "/files", "Where they are served."),
    Option("files.limit", kinds.SIZE, 32 * 1024**2, "The largest file that is kept.", "bytes"),
    Option("files.path", kinds.TEXT, "files", "For disk: the folder, beside config.yaml."),
    Option(
        "files.bucket",
        kinds.TEXT,
        None,
        "For s3 and gcs: the bucket, which must be there.",
        env=("BUCKETEER_BUCKET_NAME", "S3_BUCKET", "BUCKET_NAME"),
    ),
    Option(
        "files.prefix",
        kinds.PREFIX,
        "files",
        "Goes before each key, so that sites can share a bucket. By default the top-level `name` of config.yaml.",
    ),
    Option(
        "files.endpoint",
        kinds.URL,
        None,
        "For s3: the address of a server that is not Amazon's.",
        env=("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
    ),
    Option(
        "files.region",
        kinds.TEXT,
        None,
        "For s3: where the bucket is, such as eu-central-1.",
        env=("BUCKETEER_AWS_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"),
    ),
    Option(
        "files.key_id",
        kinds.PASSWORD,
        None,
        "For s3: who the site is. Empty: what the machine says of itself, where it is Amazon's.",
        env=("BUCKETEER_AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY_ID"),
        secret=True,
    ),
    Option(
        "files.key",
        kinds.PASSWORD,
        None,
        "For s3: the secret that belongs to files.key_id. For gcs: the JSON of a service account; empty, what "
        "GOOGLE_APPLICATION_CREDENTIALS or the machine says.",
        env=("BUCKETEER_AWS_SECRET_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY"),
        secret=True,
    ),
)
