"""Signs and verifies with the package http-message-signatures: one JSON object a line in, one a line out."""

import base64
import datetime
import json
import sys
import urllib.error
import urllib.request
import warnings

warnings.simplefilter("ignore")

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from http_message_signatures import HTTPMessageSigner, HTTPMessageVerifier, MappingKeyResolver
from http_message_signatures.algorithms import ED25519

TAG = "missive-federation"
REQUEST = (
    "@method",
    "@target-uri",
    "content-digest",
    "content-type",
    "missive-origin",
    "missive-destination",
)
ANSWER = ("@status", "content-digest", '"signature";req;key="{}"')


class Request:
    def __init__(self, told):
        self.method, self.url, self.headers = told["method"], told["url"], dict(told["headers"])


class Answer:
    def __init__(self, told):
        self.status_code, self.headers = told["status"], dict(told["headers"])
        self.request = Request(told["request"])


def message(told):
    return Answer(told) if "status" in told else Request(told)


def components(told):
    if "components" in told:
        return tuple(told["components"])
    if "status" in told:
        return tuple(name.format(told["label"]) for name in ANSWER)
    return REQUEST


def key(told):
    return Ed25519PrivateKey.from_private_bytes(base64.b64decode(told["secret"]))


def sign(told):
    signed = message(told)
    keys = MappingKeyResolver(public_keys={}, private_keys={told["keyId"]: key(told)})
    at = lambda seconds: datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    HTTPMessageSigner(signature_algorithm=ED25519, key_resolver=keys).sign(
        signed,
        key_id=told["keyId"],
        created=at(told["created"]),
        expires=at(told["expires"]) if "expires" in told else None,
        nonce=told.get("nonce"),
        label=told.get("signAs", "python"),
        tag=TAG,
        covered_component_ids=components(told),
        body=base64.b64decode(told["body"]),
    )
    return {"headers": signed.headers}


def public_key(told):
    if "publicKey" in told:
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(told["publicKey"]))
    return key(told).public_key()


def verify(told):
    keys = MappingKeyResolver(public_keys={told["keyId"]: public_key(told)}, private_keys={})
    verifier = HTTPMessageVerifier(signature_algorithm=ED25519, key_resolver=keys)
    results = verifier.verify(
        message(told), expect_tag=TAG, require_components=components(told), body=base64.b64decode(told["body"])
    )
    return {"verified": len(results)}


def call(told):
    """Signs a request, sends it to a server, with another body if one is told, and verifies the answer if it is signed."""
    headers = sign(told)["headers"]
    body = base64.b64decode(told.get("sent", told["body"]))
    request = urllib.request.Request(told["address"], data=body, headers=headers, method=told["method"])
    try:
        answer = urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30)
    except urllib.error.HTTPError as refusal:
        answer = refusal
    said = {"status": answer.status, "body": answer.read().decode(), "verified": 0}
    received = {name.lower(): value for name, value in answer.headers.items()}
    if "signature" in received:
        asked = {"method": told["method"], "url": told["url"], "headers": headers}
        shown = {"status": answer.status, "headers": received, "request": asked, "label": "python"}
        shown["body"] = base64.b64encode(said["body"].encode()).decode()
        said |= verify(shown | told["answerKey"])
    return said


for line in sys.stdin:
    told = json.loads(line)
    try:
        said = {"sign": sign, "verify": verify, "call": call}[told["do"]](told)
    except Exception as error:
        said = {"refused": f"{type(error).__name__}: {error}"}
    print(json.dumps(said), flush=True)
