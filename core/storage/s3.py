# ruff: noqa: D102 - the protocol tells what each method does
"""Objects in an S3 bucket, of any vendor that honours `If-None-Match: *`."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from core.errors import StorageUnavailableError
from core.storage.base import ObjectInfo, ObjectMissingError
from core.storage.key_rules import check_folder_prefix, check_key, check_prefix
from core.storage.race import race_for_one_key
from core.storage.signing import content_disposition

CONFIG = Config(
    signature_version="s3v4",
    connect_timeout=2,
    read_timeout=10,
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=32,
    s3={"addressing_style": "path"},
    request_checksum_calculation="when_required",  # not every vendor takes checksums that nothing asks for
    response_checksum_validation="when_required",
)
_DELETE_BATCH = 1000
_CONFLICT_TRIES = 5


class S3Storage:
    """A `Storage` under `prefix` in `bucket`.

    Opening makes a missing bucket if `create_bucket`, else raises StorageUnavailableError. URLs are signed for
    `public_endpoint_url`, as a signature covers the host that the client will call.
    """

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        *,
        endpoint_url: str | None = None,
        public_endpoint_url: str | None = None,
        region: str = "us-east-1",
        access_key: str | None = None,
        secret_key: str | None = None,
        create_bucket: bool = True,
    ) -> None:
        self._bucket, self._prefix = bucket, f"{check_key(prefix)}/" if prefix else ""
        session = boto3.session.Session(access_key, secret_key, region_name=region)
        with _store_errors():
            self._client: Any = session.client("s3", endpoint_url=endpoint_url, config=CONFIG)
            public_url = public_endpoint_url or endpoint_url
            self._public_client: Any = session.client("s3", endpoint_url=public_url, config=CONFIG)
            self._open_bucket(region, create_bucket)

    def put(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> None:
        target = self._target(key)
        with _store_errors():
            self._client.put_object(**target, Body=data, ContentType=content_type)

    def create(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> bool:
        target, writer = self._target(key), uuid4().hex
        write = {**target, "Body": data, "ContentType": content_type, "Metadata": {"writer": writer}}
        with _store_errors():
            for _ in range(_CONFLICT_TRIES):
                try:
                    self._client.put_object(**write, IfNoneMatch="*")
                except ClientError as error:
                    status = _status(error)
                    if status == 412:
                        return self._wrote(target, writer)
                    if status != 409:
                        raise
                else:
                    return True
        raise StorageUnavailableError(f"storage: {_CONFLICT_TRIES} writes in a row met another one of the same key")

    def get(self, key: str) -> bytes:
        target = self._target(key)
        with _store_errors():
            try:
                body: bytes = self._client.get_object(**target)["Body"].read()
            except ClientError as error:
                if _status(error) == 404 and error.response["Error"]["Code"] != "NoSuchBucket":
                    raise ObjectMissingError(key) from None
                raise
        return body

    def head(self, key: str) -> ObjectInfo | None:
        target = self._target(key)
        with _store_errors():
            try:
                found = self._client.head_object(**target)
            except ClientError as error:
                if _status(error) == 404:
                    return None
                raise
        return ObjectInfo(key, found["ContentLength"], found["LastModified"])

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        # All pages before the first object: not every vendor's pages are in key order (SeaweedFS lists a/b before a-b).
        yield from sorted(self._pages(check_prefix(prefix)), key=lambda found: found.key)

    def scan(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        start = {"StartAfter": self._prefix + check_prefix(after)} if after else {}
        yield from self._pages(check_prefix(prefix), **start)

    def delete(self, key: str) -> None:
        target = self._target(key)
        with _store_errors():
            self._client.delete_object(**target)

    def delete_prefix(self, prefix: str) -> int:
        keys = [self._prefix + found.key for found in self.list(check_folder_prefix(prefix))]
        for start in range(0, len(keys), _DELETE_BATCH):
            self._delete_batch(keys[start : start + _DELETE_BATCH])
        return len(keys)

    def url(self, key: str, *, expires_s: int, filename: str, content_type: str) -> str:
        answer = {"ResponseContentDisposition": content_disposition(filename), "ResponseContentType": content_type}
        params = {**self._target(key), **answer}
        with _store_errors():
            url: str = self._public_client.generate_presigned_url("get_object", Params=params, ExpiresIn=expires_s)
        return url

    def probe(self) -> None:
        race_for_one_key(self)

    def _target(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._prefix + check_key(key)}

    def _wrote(self, target: dict[str, str], writer: str) -> bool:
        """Say if the object is this writer's: a retry after a lost answer finds the first try's own object."""
        try:
            found = self._client.head_object(**target)
        except ClientError as error:
            if _status(error) == 404:
                return False
            raise
        return bool(found["Metadata"].get("writer") == writer)

    def _pages(self, prefix: str, **more: str) -> Iterator[ObjectInfo]:
        asked = {"Bucket": self._bucket, "Prefix": self._prefix + prefix, **more}
        with _store_errors():
            for page in self._client.get_paginator("list_objects_v2").paginate(**asked):
                for found in page.get("Contents", []):
                    yield ObjectInfo(found["Key"].removeprefix(self._prefix), found["Size"], found["LastModified"])

    def _delete_batch(self, keys: builtins.list[str]) -> None:
        objects = [{"Key": key} for key in keys]
        with _store_errors():
            answer = self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": objects, "Quiet": True})
        if answer.get("Errors"):
            first = answer["Errors"][0]
            raise StorageUnavailableError(f"storage: {first['Key']} was not deleted ({first.get('Code')})")

    def _open_bucket(self, region: str, create_bucket: bool) -> None:
        try:
            self._client.head_bucket(Bucket=self._bucket)
        except ClientError as error:
            if _status(error) != 404:
                raise
            if not create_bucket:
                raise StorageUnavailableError(f"storage: there is no bucket {self._bucket!r}") from None
            self._create_bucket(region)

    def _create_bucket(self, region: str) -> None:
        place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        try:
            self._client.create_bucket(Bucket=self._bucket, **place)
        except ClientError as error:
            if error.response["Error"]["Code"] not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
                raise
            self._client.head_bucket(Bucket=self._bucket)  # another process was first; is it ours?


def _status(error: ClientError) -> int:
    return int(error.response["ResponseMetadata"]["HTTPStatusCode"])


@contextmanager
def _store_errors() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = error.response["Error"].get("Code")
        if _status(error) == 403:
            raise StorageUnavailableError(f"storage: the S3 credentials are refused ({code})") from error
        raise StorageUnavailableError(f"storage: S3 answers {_status(error)} ({code})") from error
    except (BotoCoreError, HTTPClientError) as error:
        raise StorageUnavailableError(f"storage: S3 does not answer ({type(error).__name__})") from error
