#!/usr/bin/env python3
"""Writes recordings.json: answers that api.github.com gave to the octokit team, as far as they are about what github-status uses.

    recordings.py DIR    DIR holds the unpacked npm package @octokit/fixtures (`npm pack @octokit/fixtures@23.1.2`, MIT licence,
                         Copyright (c) GitHub)

Takes the recordings as they were made (`raw-fixture.json`). Of the pages of a list it keeps the headers alone.
"""
import json
import pathlib
import sys

# Scenario, method, and a part of the path.
RECORDINGS = [
    ("create-status", "post", "/statuses/"),
    ("create-status", "get", "/statuses"),
    ("create-status", "get", "/status"),
    ("errors", "post", "/labels"),
    ("branch-protection", "get", "/protection"),
    ("rename-repository", "get", "/repos/"),
    ("rename-repository", "patch", "/repos/"),
    ("paginate-issues", "get", "/issues"),
]

package = pathlib.Path(sys.argv[1])
version = json.loads((package / "package.json").read_text())["version"]
answers = []
for scenario, method, part in RECORDINGS:
    recorded = json.loads((package / f"scenarios/api.github.com/{scenario}/raw-fixture.json").read_text())
    for answer in recorded:
        path = answer["path"].split("?")[0]
        is_wanted = path.endswith(part) if method == "get" and part != "/repos/" else part in path
        if answer["method"] != method or not is_wanted or (scenario == "rename-repository" and answer["status"] < 300):
            continue
        names, values = answer["rawHeaders"][::2], answer["rawHeaders"][1::2]
        answers.append({
            "scenario": scenario,
            "method": method.upper(),
            "path": answer["path"],
            "status": answer["status"],
            "headers": list(zip(names, values)),
            "body": None if scenario == "paginate-issues" else answer["response"],
        })
source = f"npm package @octokit/fixtures {version}, recordings of api.github.com (MIT, Copyright (c) GitHub)"
lines = ",\n".join(json.dumps(answer, separators=(",", ":")) for answer in answers)
target = pathlib.Path(__file__).with_name("recordings.json")
target.write_text('{"source":%s,"answers":[\n%s\n]}\n' % (json.dumps(source), lines))
