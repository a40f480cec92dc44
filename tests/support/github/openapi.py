#!/usr/bin/env python3
"""Writes openapi.json: the operations of GitHub's REST API that the github-status type uses, from GitHub's official description.

    openapi.py DIR    DIR holds the unpacked npm package @octokit/openapi (`npm pack @octokit/openapi@23.0.2`, MIT licence)

Keeps request and response schemas, and leaves prose and examples out. Rewrites `nullable`, which JSON Schema does not know.
"""
import json
import pathlib
import sys

OPERATIONS = [
    "POST /repos/{owner}/{repo}/statuses/{sha}",
    "GET /repos/{owner}/{repo}/commits/{ref}/statuses",
    "GET /repos/{owner}/{repo}/commits/{ref}/status",
    "GET /repos/{owner}/{repo}/commits/{commit_sha}/pulls",
    "GET /repos/{owner}/{repo}/pulls",
    "GET /repos/{owner}/{repo}/issues/{issue_number}/comments",
    "POST /repos/{owner}/{repo}/issues/{issue_number}/comments",
    "GET /repos/{owner}/{repo}/issues/comments/{comment_id}",
    "DELETE /repos/{owner}/{repo}/issues/comments/{comment_id}",
    "GET /repos/{owner}/{repo}/deployments",
    "POST /repos/{owner}/{repo}/deployments",
    "GET /repos/{owner}/{repo}/deployments/{deployment_id}",
    "GET /repos/{owner}/{repo}/deployments/{deployment_id}/statuses",
    "POST /repos/{owner}/{repo}/deployments/{deployment_id}/statuses",
    "GET /user",
    "GET /app",
    "GET /repos/{owner}/{repo}/installation",
    "POST /app/installations/{installation_id}/access_tokens",
]

KEPT = {
    "type", "enum", "format", "properties", "required", "items", "additionalProperties", "anyOf", "oneOf", "allOf",
    "minimum", "maximum", "minLength", "maxLength", "pattern", "minItems", "maxItems", "default",
}


def schema_of(schema):
    kept = {}
    for key, value in schema.items():
        if key == "properties":
            kept[key] = {name: schema_of(inner) for name, inner in value.items()}
        elif key in ("anyOf", "oneOf", "allOf"):
            kept[key] = [schema_of(inner) for inner in value]
        elif key in ("items", "additionalProperties") and isinstance(value, dict):
            kept[key] = schema_of(value)
        elif key in KEPT:
            kept[key] = value
    if schema.get("nullable"):
        return {"anyOf": [{"type": "null"}, kept]}
    return kept


def content_schema(part):
    content = (part or {}).get("content", {}).get("application/json")
    return schema_of(content["schema"]) if content else None


package = pathlib.Path(sys.argv[1])
version = json.loads((package / "package.json").read_text())["version"]
paths = json.loads((package / "generated/api.github.com.deref.json").read_text())["paths"]
operations = []
for name in OPERATIONS:
    method, path = name.split(" ")
    operation = paths[path][method.lower()]
    operations.append({
        "method": method,
        "path": path,
        "query": {
            parameter["name"]: schema_of(parameter["schema"])
            for parameter in operation.get("parameters", []) if parameter["in"] == "query"
        },
        "request": content_schema(operation.get("requestBody")),
        "responses": {status: content_schema(answer) for status, answer in operation["responses"].items()},
    })
document = {"source": f"npm package @octokit/openapi {version}, api.github.com (MIT)", "operations": operations}
target = pathlib.Path(__file__).with_name("openapi.json")
lines = ",\n".join(json.dumps(operation, separators=(",", ":")) for operation in operations)
target.write_text('{"source":%s,"operations":[\n%s\n]}\n' % (json.dumps(document["source"]), lines))
