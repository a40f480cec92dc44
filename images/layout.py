#!/usr/bin/env python3
"""Writes what `release.sh` pushes: OCI layouts, statements about them, and requests of a put. The same input makes the same bytes.

    layout.py recipe DOCKERFILE                        the RUN instructions of a recipe, as a script
    layout.py labels DOCKERFILE NAME=VALUE ...         the labels of a recipe, with its ARGs set so, as JSON
    layout.py image DIRECTORY ARCH CREATED LABELS LAYER.tar ...   the image of one platform
    layout.py index DIRECTORY IMAGE ...                one index of these images
    layout.py merge FILE BASE.tar LAYER.tar ...        the file system of an image, as a worker unpacks it
    layout.py sbom FILE BILL [BASE.tar]                a bill of materials, with the packages of a Debian system
    layout.py referrer DIRECTORY SUBJECT KIND FILE     a file that belongs to what the layout SUBJECT holds
    layout.py statement FILE NAME SUBJECT KEY=VALUE ...   the provenance of what the layout SUBJECT holds
    layout.py envelope FILE STATEMENT KEY              the statement, signed with a private key in PEM form
    layout.py digest DIRECTORY                         the digest of what the layout holds
    layout.py subject DIRECTORY                        the digest of what the referrer in the layout belongs to
    layout.py request KEY=VALUE ...                    a request of a put

Layouts are those of the OCI image specification 1.1. A referrer is a manifest with `subject` and `artifactType`. A statement is one of
in-toto's (v1) with the provenance of SLSA (v1) in an envelope of DSSE, under the media types that cosign reads.
"""

import base64
import gzip
import hashlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
import tarfile
from urllib.parse import quote

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
STATEMENT = "application/vnd.in-toto+json"
ENVELOPE = "application/vnd.dsse.envelope.v1+json"
PROVENANCE = "https://slsa.dev/provenance/v1"

# The type of a file that belongs to an image, and of what has it as its only layer.
KINDS = {
    "sbom": ("application/vnd.cyclonedx+json", "application/vnd.cyclonedx+json"),
    "provenance": (STATEMENT, ENVELOPE),
}

# What a worker brings itself, or a container engine leaves behind.
NOT_IN_BUNDLES = {".dockerenv", "etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/mtab"}


def encode(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def read_json(path):
    with open(path, "rb") as file:
        return json.load(file)


def write(path, content):
    with open(path, "wb") as file:
        file.write(content)


class Layout:
    """A layout in a directory that was not there."""

    def __init__(self, directory):
        self.blobs = os.path.join(directory, "blobs", "sha256")
        self.directory = directory
        os.makedirs(self.blobs)
        write(os.path.join(directory, "oci-layout"), encode({"imageLayoutVersion": "1.0.0"}))

    def add(self, media_type, content, **more):
        """Adds a blob, and returns its descriptor."""
        digest = hashlib.sha256(content).hexdigest()
        write(os.path.join(self.blobs, digest), content)
        return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(content), **more}

    def add_layer(self, path):
        """Adds a tar as a layer. Returns its descriptor and the digest of the tar."""
        with open(path, "rb") as file:
            content = file.read()
        compressed = io.BytesIO()
        # No name and no time in its header.
        with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=compressed, mtime=0) as file:
            file.write(content)
        return self.add(LAYER, compressed.getvalue()), "sha256:" + hashlib.sha256(content).hexdigest()

    def finish(self, root):
        write(os.path.join(self.directory, "index.json"), encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": [root]}))


def root_of(directory):
    """The descriptor of what a layout holds."""
    (root,) = read_json(os.path.join(directory, "index.json"))["manifests"]
    return root


def instructions(dockerfile):
    """The instructions of a recipe, each a word and its text, with continued lines joined."""
    with open(dockerfile) as file:
        lines = [line for line in file.read().splitlines() if not line.lstrip().startswith("#")]
    text = re.sub(r"\\\n", " ", "\n".join(lines))
    return [line.split(None, 1) for line in text.splitlines() if line.strip()]


def recipe(dockerfile):
    print("\n".join(text for word, text in instructions(dockerfile) if word == "RUN"))


def labels(dockerfile, *given):
    values = dict(one.split("=", 1) for one in given)
    found = {}
    for word, text in instructions(dockerfile):
        if word == "ARG":
            name, _, default = text.strip().partition("=")
            values.setdefault(name, default)
        elif word == "LABEL":
            for pair in shlex.split(text):
                name, value = pair.split("=", 1)
                found[name] = re.sub(r"\$\{(\w+)\}", lambda match: values[match[1]], value)
    found.update({name: value for name, value in values.items() if name.startswith("org.opencontainers.image.")})
    print(encode(found).decode())


def image(directory, arch, created, found, *layers):
    layout = Layout(directory)
    added = [layout.add_layer(layer) for layer in layers]
    config = {
        "architecture": arch,
        "os": "linux",
        "created": created,
        "config": {
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "Labels": json.loads(found),
        },
        "rootfs": {"type": "layers", "diff_ids": [digest for _, digest in added]},
        "history": [{"created": created, "created_by": "images/release.sh"} for _ in added],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": layout.add(CONFIG, encode(config)),
        "layers": [descriptor for descriptor, _ in added],
    }
    layout.finish(layout.add(MANIFEST, encode(manifest), platform={"architecture": arch, "os": "linux"}))


def index(directory, *images):
    layout = Layout(directory)
    for one in images:
        blobs = os.path.join(one, "blobs", "sha256")
        for name in os.listdir(blobs):
            target = os.path.join(layout.blobs, name)
            if not os.path.exists(target):
                os.link(os.path.join(blobs, name), target)
    manifests = [root_of(one) for one in images]
    layout.finish(layout.add(INDEX, encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests})))


def merge(path, *layers):
    """Later layers add files and replace files. They never remove any: there are no whiteouts in these."""
    name_of = lambda member: member.name.removeprefix("./").strip("/")
    last = {}
    for number, layer in enumerate(layers):
        with tarfile.open(layer) as tar:
            last.update({name_of(member): number for member in tar if not (member.isdir() and name_of(member) in last)})
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as merged:
        for number, layer in enumerate(layers):
            with tarfile.open(layer) as tar:
                for member in tar:
                    name = name_of(member)
                    if last[name] == number and name not in NOT_IN_BUNDLES and not name.startswith("dev/"):
                        merged.addfile(member, tar.extractfile(member) if member.isfile() else None)


def sbom(path, bill, base=None):
    document = read_json(bill)
    if base:
        with tarfile.open(base) as tar:
            status = tar.extractfile("./var/lib/dpkg/status").read().decode()
            release = tar.extractfile("./usr/lib/os-release").read().decode()
        version = re.search(r'^VERSION_ID="?([^"\n]*)', release, re.M)
        for paragraph in status.split("\n\n"):
            fields = dict(re.findall(r"^(Package|Version|Architecture): (.*)$", paragraph, re.M))
            if len(fields) == 3:
                quoted = {key: quote(value, safe="") for key, value in fields.items()}
                purl = "pkg:deb/debian/{Package}@{Version}?arch={Architecture}".format(**quoted)
                purl += f"&distro=debian-{version[1]}" if version else ""
                document["components"].append(
                    {"type": "library", "name": fields["Package"], "version": fields["Version"], "purl": purl}
                )
    write(path, encode(document))


def referrer(directory, subject, kind, path):
    artifact_type, media_type = KINDS[kind]
    layout = Layout(directory)
    with open(path, "rb") as file:
        content = file.read()
    # `oras pull` names the file by its title.
    annotations = {"org.opencontainers.image.title": os.path.basename(path)}
    if kind == "provenance":
        # cosign verifies the signature of the envelope, but requires this annotation. It filters statements by the other one.
        annotations |= {"dev.cosignproject.cosign/signature": "", "predicateType": PROVENANCE}
    layer = layout.add(media_type, content, annotations=annotations)
    config = {"architecture": "", "os": "", "config": {}, "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}}
    of = {key: value for key, value in root_of(subject).items() if key in ("mediaType", "digest", "size")}
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": artifact_type,
        "config": layout.add(CONFIG, encode(config)),
        "layers": [layer],
        "subject": of,
    }
    layout.finish(layout.add(MANIFEST, encode(manifest)))


def statement(path, name, subject, *facts):
    facts = dict(fact.split("=", 1) for fact in facts)
    algorithm, digest = root_of(subject)["digest"].split(":")
    source = {"uri": facts["source"], "digest": {"gitCommit": facts["commit"]}}
    write(path, encode({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {algorithm: digest}}],
        "predicateType": PROVENANCE,
        "predicate": {
            "buildDefinition": {
                "buildType": "urn:jetway:release:v1",
                "externalParameters": {
                    "version": facts["version"], "type": facts["type"], "platforms": facts["platforms"].split(),
                },
                "internalParameters": {"compilers": facts["compilers"].split("; ")},
                "resolvedDependencies": [source, {"uri": "file:Cargo.lock", "digest": {"sha256": facts["lock"]}}],
            },
            "runDetails": {"builder": {"id": facts["builder"]}},
        },
    }))


def envelope(path, statement_file, key):
    with open(statement_file, "rb") as file:
        payload = file.read()
    # DSSE, "Signature Definition": what is signed is the type and the payload, each after its length.
    signed = b"DSSEv1 %d %s %d %s" % (len(STATEMENT), STATEMENT.encode(), len(payload), payload)
    signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=signed, stdout=subprocess.PIPE, check=True)
    write(path, encode({
        "payloadType": STATEMENT,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"keyid": "", "sig": base64.b64encode(signature.stdout).decode()}],
    }))


def request(*pairs):
    """`source.KEY=VALUE` and `params.KEY=VALUE`. A value after `@` is the text of that file, after `:` it is JSON."""
    made = {"source": {}, "params": {}}
    for pair in pairs:
        path, value = pair.split("=", 1)
        if value.startswith("@"):
            with open(value[1:]) as file:
                value = file.read()
        elif value.startswith(":"):
            value = json.loads(value[1:])
        *parents, last = path.split(".")
        place = made
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    print(json.dumps(made))


def subject_of(directory):
    algorithm, digest = root_of(directory)["digest"].split(":")
    return read_json(os.path.join(directory, "blobs", algorithm, digest))["subject"]["digest"]


def main():
    commands = {
        "recipe": recipe, "labels": labels, "image": image, "index": index, "merge": merge, "sbom": sbom, "referrer": referrer,
        "statement": statement, "envelope": envelope, "request": request,
        "digest": lambda directory: print(root_of(directory)["digest"]),
        "subject": lambda directory: print(subject_of(directory)),
    }
    if len(sys.argv) < 2 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    commands[sys.argv[1]](*sys.argv[2:])


main()
